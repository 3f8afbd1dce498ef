import pytest

from ipixmatch_jax.data.files import class_list


def read(tmp_path, text, name="classes.json"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return class_list.read(tmp_path / name)


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
        ('["a", "b"]', "no object of names and colours.*reads like"),
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


def test_two_class_lists_are_refused(tmp_path):
    assert class_list.find(tmp_path) is None
    (tmp_path / "classes.json").write_text("{}")
    assert class_list.find(tmp_path) == tmp_path / "classes.json"
    (tmp_path / "classes.csv").write_text("")
    with pytest.raises(ValueError, match="keep one of them"):
        class_list.find(tmp_path)
