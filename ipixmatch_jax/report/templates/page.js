"use strict";
// The moving parts of a report: charts, sorting, the dividing line.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // A finger on a chart scrolls the page.
  const touched = matchMedia("(pointer: coarse)").matches;
  const settings = { displayModeBar: false, responsive: false };
  const logged = new Set();

  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function scale() {
    const ends = [0, 1, 2, 3];
    return ends.map((i) => [i / 3, colour(`--share${i}`)]);
  }

  function coloured(trace, kind, wide) {
    if ("scale" in trace.meta) {
      const shown = { ...trace, colorscale: scale() };
      if (kind === "matrix" && trace.y.length <= (wide ? 14 : 10)) {
        shown.texttemplate = "%{text}";
        // All colours of the scale contrast with the text of the page.
        shown.textfont = {
          color: colour("--ink"),
          size: wide || trace.y.length <= 6 ? 12 : 9,
        };
      }
      if (shown.colorbar) {
        shown.colorbar = {
          ...shown.colorbar,
          tickfont: { color: colour("--soft"), size: 11 },
        };
      }
      return shown;
    }
    const ink = colour(`--c${trace.meta.slot}`);
    return {
      ...trace,
      line: { ...trace.line, color: ink },
      marker: { ...trace.marker, color: ink },
    };
  }

  function height(kind, width, rows, curves) {
    if (kind === "matrix") return Math.min(width + 10, 620);
    if (kind === "heat") return Math.max(300, 110 + 17 * rows);
    // The names of many curves stand one below the other on a phone.
    const names = width < 480 ? 19 * Math.max(0, curves - 4) : 0;
    return Math.max(270, Math.min(320, width * 0.72)) + names;
  }

  function axis(given, log) {
    const shown = {
      gridcolor: colour("--grid"),
      zerolinecolor: colour("--rule"),
      linecolor: colour("--rule"),
      automargin: true,
      fixedrange: touched,
      ...given,
    };
    if (log) shown.type = "log";
    if (given.title) {
      shown.title = { ...given.title, font: { size: 12 }, standoff: 6 };
    }
    return shown;
  }

  function layout(place, chart) {
    const rows = (chart.data[0].y || []).length;
    const heat = chart.kind !== "lines";
    const family = getComputedStyle(document.body).fontFamily;
    const shown = {
      width: place.clientWidth,
      height: height(chart.kind, place.clientWidth, rows, chart.data.length),
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family, size: 12, color: colour("--soft") },
      margin: { l: 8, r: heat ? 8 : 14, t: 6, b: 8 },
      hovermode: heat ? "closest" : "x unified",
      dragmode: touched ? false : "zoom",
      hoverlabel: {
        bgcolor: colour("--card"),
        bordercolor: colour("--rule"),
        font: { color: colour("--ink"), size: 12 },
      },
      showlegend: !heat && chart.data.length > 1,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      xaxis: axis(chart.layout.xaxis || {}, false),
      yaxis: axis(chart.layout.yaxis || {}, logged.has(place.id)),
    };
    if (heat) {
      for (const side of [shown.xaxis, shown.yaxis]) {
        side.showgrid = false;
        side.zeroline = false;
        side.ticks = "";
      }
      shown.yaxis.tickfont = { size: rows > 40 ? 8 : 11 };
    }
    if (chart.kind === "matrix") {
      const level = rows <= 5 && place.clientWidth > 480;
      shown.xaxis.tickangle = level ? 0 : -90;
      shown.xaxis.tickfont = shown.yaxis.tickfont;
    }
    return shown;
  }

  function draw(key) {
    const place = document.getElementById(key);
    const chart = charts[key];
    const wide = place.clientWidth > 480;
    const data = chart.data.map((t) => coloured(t, chart.kind, wide));
    return Plotly.react(place, data, layout(place, chart), settings);
  }

  const drawAll = () => Promise.all(Object.keys(charts).map(draw));

  function watchCharts() {
    let width = 0;
    let waiting = 0;
    new ResizeObserver(() => {
      if (document.body.clientWidth === width) return;
      width = document.body.clientWidth;
      clearTimeout(waiting);
      waiting = setTimeout(drawAll, 60);
    }).observe(document.body);
    dark.addEventListener("change", drawAll);
    for (const button of document.querySelectorAll(".log")) {
      button.addEventListener("click", () => {
        const key = button.dataset.chart;
        const on = !logged.has(key);
        if (on) logged.add(key);
        else logged.delete(key);
        button.setAttribute("aria-pressed", String(on));
        draw(key);
      });
    }
  }

  function sortBy(table, column, direction) {
    const body = table.tBodies[0];
    const value = (row) => {
      const text = row.cells[column].dataset.value;
      return text === "" ? null : Number(text);
    };
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      // What is empty stays below.
      if (x === null || y === null) return (x === null) - (y === null);
      return direction * (x - y);
    });
    body.append(...rows);
  }

  function watchTables() {
    for (const table of document.querySelectorAll(".sortable")) {
      const heads = [...table.tHead.rows[0].cells];
      heads.forEach((head, column) => {
        head.querySelector("button").addEventListener("click", () => {
          const up = head.getAttribute("aria-sort") !== "ascending";
          for (const other of heads) other.setAttribute("aria-sort", "none");
          head.setAttribute("aria-sort", up ? "ascending" : "descending");
          sortBy(table, column, up ? 1 : -1);
        });
      });
    }
  }

  function watchScrolling() {
    const places = [...document.querySelectorAll(".scroll")];
    const mark = (place) => {
      const left = place.scrollWidth - place.clientWidth - place.scrollLeft;
      place.toggleAttribute("data-more", left > 2);
    };
    const seen = new ResizeObserver(() => places.forEach(mark));
    for (const place of places) {
      seen.observe(place);
      place.addEventListener("scroll", () => mark(place));
      mark(place);
    }
  }

  function watchPictures() {
    const form = document.getElementById("layers");
    if (!form) return;
    form.addEventListener("input", () => showLayers(form));
    form.addEventListener("submit", (event) => event.preventDefault());
    showLayers(form);
    document.querySelectorAll(".picture").forEach(watchPicture);
  }

  watchTables();
  watchScrolling();
  watchPictures();
  watchCharts();
  drawAll().then(() => document.body.setAttribute("data-drawn", ""));
})();
