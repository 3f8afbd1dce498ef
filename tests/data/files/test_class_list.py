import pytest

from ipixmatch_jax.data.files import class_list


def read(tmp_path, text, name="classes.json"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return class_list.read_class_list(tmp_path / name)


def test_json_and_csv_give_the_same_classes(tmp_path):
    json = read(tmp_path, '{"a b": [1, 2, 3], "void": [0,0,0], "c": [4,5,6]}')
    assert json.names == ("a b", "c")
    assert json.palette == ((1, 2, 3), (4, 5, 6))
    assert json.of_ids()[:4] == bytes([0, 255, 1, 254])
    assert json.of_ids()[255] == 255
    assert json.of_colours() == {(1, 2, 3): 0, (0, 0, 0): 255, (4, 5, 6): 1}
    lines = "a b,1,2,3\n\nvoid, 0, 0, 0\nc,4,5,6\n"
    for text in (lines, "\ufeffname,r,g,b\n" + lines):
        csv = read(tmp_path, text, "classes.csv")
        assert csv[:3] == json[:3]


@pytest.mark.parametrize("name", ["Ignore", "UNLABELLED", "unlabeled", "void"])
def test_names_that_are_left_out(name, tmp_path):
    text = f'{{"a": [0,0,0], "b": [1,1,1], "{name}": [2,2,2]}}'
    assert read(tmp_path, text).names == ("a", "b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": [0,0,0], "a": [1,1,1]}', "the name a twice"),
        ('{"a": [0,0,0], "b": [0,0,0]}', r"colour \(0, 0, 0\) twice"),
        ('{"a": [0,0,0], "void": [1,1,1]}', "lists 1 classes .* at least 2"),
        ('{"a": [0,0], "b": [1,1,1]}', r"colour of 'a' is \[0, 0\]"),
        ('{"a": [0,0,256], "b": [1,1,1]}', "from 0 to 255"),
        ('{"a": [0,0,true], "b": [1,1,1]}', "from 0 to 255"),
        ('{"a": "#000000", "b": [1,1,1]}', "colour of 'a' is '#000000'"),
        ('["a", 1]', "does not hold names and colours.*reads like"),
        ('{"0": "a", "2": "b"}', r"numbers are not 0, 1, 2 and so on\)"),
        (
            '{"a": 0, "b": 255}',
            r'so on; for masks of 0 and 255 write {"a": \[0, 0, 0\], '
            r'"b": \[255, 255, 255\]}',
        ),
        ('{"a": [0,0,0]', "is not a class list .*reads like"),
        ("", "is not a class list"),
    ],
)
def test_malformed_json_is_one_sentence(text, words, tmp_path):
    with pytest.raises(ValueError, match=words) as error:
        read(tmp_path, text)
    assert "classes.json" in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,0,0,0\nb,1,1\n", r"colour of 'b' is \[1, 1\]"),
        ("a,0,0,0\nb,x,y,z\n", "colour of 'b'"),
        ("name,r,g,b\n", "no lines"),
    ],
)
def test_malformed_csv_is_one_sentence(text, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        read(tmp_path, text, "classes.csv")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.json", '["a b", "void", "c"]'),
        ("classes.json", '{"1": "void", "0": "a b", "2": "c"}'),
        ("classes.json", '{"a b": 0, "void": 1, "c": 2}'),
        ("classes.csv", "a b\nvoid\nc\n"),
        ("classes.csv", "Pixel Value, Class\n0, a b\n1, void\n2, c\n"),
    ],
)
def test_names_alone_are_accepted_without_colours(name, text, tmp_path):
    found = read(tmp_path, text, name)
    assert found.names == ("a b", "c")
    assert found.palette == ((0, 0, 0), (0, 128, 0))  # VOC's
    assert found.of_colours() == {}
    assert found.of_ids()[:4] == bytes([0, 255, 1, 254])


@pytest.mark.parametrize(
    "text",
    [
        "name;r;g;b\r\nbackground;0;0;0\r\ncrack;255;0;0\r\n",
        "background,0,0,0,\ncrack,255,0,0,\n,,,,\n",
        "background\t0\t0\t0\ncrack\t255\t0\t0\n",
    ],
)
def test_lists_as_spreadsheets_write_them(text, tmp_path):
    found = read(tmp_path, text, "classes.csv")
    assert found.of_colours() == {(0, 0, 0): 0, (255, 0, 0): 1}


def test_a_list_in_another_encoding_is_told(tmp_path):
    (tmp_path / "classes.csv").write_bytes("Riß,0,0,0\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"not text in UTF-8.*save it as"):
        class_list.read_class_list(tmp_path / "classes.csv")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.json", '{"a": [0,0,0], "b": [1,1,1]}'),
        ("classes.txt", "a\nb\n"),
        ("_classes.csv", "Pixel Value, Class\n0, a\n1, b\n"),
    ],
)
def test_a_list_under_another_name_is_not_passed_over(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name} looks like a class list"):
        class_list.find_class_list(tmp_path)
    (tmp_path / "Classes.JSON").write_text("{}")
    assert class_list.find_class_list(tmp_path) == tmp_path / "Classes.JSON"


def test_another_file_of_such_a_name_is_left_alone(tmp_path):
    (tmp_path / "labels.json").write_text('[{"image": "a.jpg"}]')
    assert class_list.find_class_list(tmp_path) is None


def test_two_class_lists_are_refused(tmp_path):
    assert class_list.find_class_list(tmp_path) is None
    (tmp_path / "classes.json").write_text("{}")
    assert class_list.find_class_list(tmp_path) == tmp_path / "classes.json"
    (tmp_path / "classes.csv").write_text("")
    with pytest.raises(ValueError, match="keep one of them"):
        class_list.find_class_list(tmp_path)
