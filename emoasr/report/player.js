"use strict";
{
  const PAGE = JSON.parse(document.getElementById("data").textContent);
  const LEGIBLE = 60; // pixels a second at which words can be read, about
  const CLOSEST = 400; // pixels a second
  const UNSURE = 0.5; // confidence of a word
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

  const byId = (id) => document.getElementById(id);
  const audio = byId("audio");
  const timeline = byId("timeline");
  const strip = byId("strip");
  const buttons = [...document.querySelectorAll("button[data-recording]")];
  let shown; // the recording
  let position = 0; // seconds from its beginning
  let drawn = []; // the courses
  let words = []; // of each: when it is heard, and the elements that show it
  let now; // the word that is heard
  let source; // of the sound

  function element(name, attributes = {}, ...content) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...content);
    return made;
  }

  function picture(width, height, ...shapes) {
    const made = shape("svg", {
      viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true",
    });
    made.append(...shapes);
    return made;
  }

  function shape(name, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  const share = (seconds) => `${(100 * seconds) / shown.seconds}%`;
  const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(3);
  const value = (x) => x.toFixed(2).replace("-", "−");

  function clock(seconds, digits = 2) {
    const minutes = Math.floor(seconds / 60);
    const rest = (seconds - 60 * minutes).toFixed(digits);
    return `${minutes}:${rest.padStart(digits ? digits + 3 : 2, "0")}`;
  }

  // What is drawn

  function waveform() {
    const [low, high] = shown.peaks;
    const line = (ys, order) => order.map((x) => `${x} ${127 - ys[x]}`).join("L");
    const columns = high.map((_, x) => x);
    const outline = `M${line(high, columns)}L${line(low, [...columns].reverse())}Z`;
    const wave = picture(Math.max(columns.length - 1, 1), 254, shape("path", { d: outline }));
    return element("div", { class: "wave" }, wave);
  }

  function said() {
    const lane = element("div", { class: "said" });
    const text = byId("transcript");
    text.replaceChildren();
    words = (shown.words ?? []).map(([word, start, end, confidence]) => {
      const from = start - shown.start;
      const kind = confidence < UNSURE ? { class: "unsure" } : {};
      const title = `${clock(start)}, confidence ${confidence.toFixed(2)}`;
      const placed = element("span", { ...kind, title }, word);
      placed.style.left = share(from);
      placed.style.width = share(end - start);
      const written = element("span", { ...kind, title }, word);
      written.addEventListener("click", () => seek(from));
      lane.append(placed);
      text.append(written, " ");
      return { from, to: end - shown.start, elements: [placed, written] };
    });
    if (!words.length) text.append(shown.words ? "No words." : "This recognizer gives no transcripts.");
    byId("doubt").textContent = shown.doubt;
    byId("doubt").hidden = !shown.doubt;
    return words.length ? [lane] : [];
  }

  function smoothed(course) {
    const half = Math.floor(Number(byId("smoothing").value) / shown.step / 2);
    if (half < 1) return course;
    const sums = [0];
    for (const x of course) sums.push(sums.at(-1) + x);
    return course.map((_, i) => {
      const [from, to] = [Math.max(i - half, 0), Math.min(i + half + 1, course.length)];
      return (sums[to] - sums[from]) / (to - from);
    });
  }

  function lane(course, k) {
    const { level, band } = shown.lanes[k];
    const all = [...course, level, ...(band ?? [])];
    let [low, high] = all.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
    const margin = 0.06 * (high - low) || 0.5;
    [low, high] = [low - margin, high + margin];
    const colour = PAGE.colours[k % PAGE.colours.length];
    const y = (x) => high - x;
    const across = (x, kind, stroke) =>
      shape("line", { x1: 0, x2: shown.seconds, y1: y(x), y2: y(x), class: kind, ...stroke });
    const marks = ticks(low, high);
    const points = course.map((x, i) => `${shown.first + i * shown.step},${y(x)}`).join(" ");
    const course_and_lines = picture(
      shown.seconds, high - low,
      ...marks.map((x) => across(x, "grid")),
      ...(band ? [shape("rect", {
        x: 0, width: shown.seconds, y: y(band[1]), height: band[1] - band[0], style: `fill: ${colour}`, class: "band",
      })] : []),
      across(level, "mean", { style: `stroke: ${colour}` }),
      shape("polyline", { points, class: "course", style: `stroke: ${colour}` }),
    );
    const labels = element("div", { class: "marks" });
    for (const x of marks) {
      const label = element("span", {}, String(x).replace("-", "−"));
      label.style.top = `${(100 * y(x)) / (high - low)}%`;
      labels.append(label);
    }
    labels.append(element("b", { "data-lane": k }));
    return element("div", { class: "lane" }, labels, course_and_lines);
  }

  function ticks(low, high) {
    const rough = (high - low) / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high; i += 1) found.push(Number((i * step).toPrecision(6)));
    return found.filter((x) => (x - low) / (high - low) > 0.06 && (high - x) / (high - low) > 0.06);
  }

  function ruler(pixels) {
    const room = 64; // pixels of a time
    const step = STEPS.find((n) => n * pixels >= room) ?? STEPS.at(-1);
    const made = element("div", { class: "ruler", id: "ruler" });
    const [first, end] = [Math.ceil(shown.start / step), shown.start + shown.seconds];
    for (let i = first; i * step <= end; i += 1) {
      const fits = (end - i * step) * pixels >= room;
      const mark = element("span", {}, fits ? clock(i * step, step < 1 ? 1 : 0) : "");
      mark.style.left = share(i * step - shown.start);
      made.append(mark);
    }
    return made;
  }

  function units() {
    const tables = PAGE.lanes.map((name, k) => {
      const most = Math.max(...shown.units[k].map(([, x]) => Math.abs(x)));
      const rows = shown.units[k].map(([unit, x]) => {
        const bar = element("i");
        bar.style.width = `${(100 * Math.abs(x)) / most}%`;
        bar.style.background = x < 0 ? "var(--soft)" : PAGE.colours[k % PAGE.colours.length];
        const head = element("th", { scope: "row" }, unit);
        return element("tr", {}, head, element("td", {}, signed(x)), element("td", {}, bar));
      });
      return element("table", {}, element("caption", {}, name), element("tbody", {}, ...rows));
    });
    byId("units").replaceChildren(...tables);
  }

  function draw() {
    drawn = shown.courses.map(smoothed);
    const lanes = drawn.map(lane);
    const cursor = element("div", { class: "cursor", id: "cursor" });
    strip.replaceChildren(element("div", { id: "ruler" }), waveform(), ...said(), ...lanes, cursor);
    zoom();
    move(position);
  }

  function zoom() {
    const fit = timeline.clientWidth / shown.seconds;
    const pixels = fit * Math.max(CLOSEST / fit, 1) ** (Number(byId("zoom").value) / 100);
    strip.style.width = `${Math.max(pixels * shown.seconds, timeline.clientWidth)}px`;
    byId("ruler").replaceWith(ruler(pixels));
    follow(true);
  }

  // Where it is

  function move(seconds) {
    position = Math.min(Math.max(seconds, 0), shown.seconds);
    byId("cursor").style.left = share(position);
    const i = Math.round((position - shown.first) / shown.step);
    const values = drawn.map((course) => course[Math.min(Math.max(i, 0), course.length - 1)]);
    for (const label of strip.querySelectorAll("b")) {
      const k = Number(label.dataset.lane);
      label.textContent = `${PAGE.lanes[k]} ${value(values[k])}`;
    }
    const heard = words.find((word) => word.from <= position && position < word.to);
    if (heard !== now) {
      for (const one of now?.elements ?? []) one.classList.remove("now");
      for (const one of heard?.elements ?? []) one.classList.add("now");
      now = heard;
    }
    const time = `${clock(shown.start + position)} of ${clock(shown.start + shown.seconds)}`;
    byId("clock").textContent = time;
    if (audio.paused) { // a screen reader would say every one
      strip.setAttribute("aria-valuenow", position.toFixed(2));
      const all = PAGE.lanes.map((name, k) => `${name} ${value(values[k])}`);
      strip.setAttribute("aria-valuetext", [time, ...all].join(", "));
    }
  }

  function seek(seconds) {
    move(seconds);
    if (shown.sound.kind !== "none") audio.currentTime = shown.sound.from + position;
    follow(false);
  }

  function follow(always) {
    const at = (position / shown.seconds) * strip.clientWidth - timeline.scrollLeft;
    if (always || at < 0 || at > timeline.clientWidth) timeline.scrollLeft += at - 0.2 * timeline.clientWidth;
  }

  function run() {
    if (audio.paused) return;
    const seconds = audio.currentTime - shown.sound.from;
    if (seconds >= shown.seconds) audio.pause(); // a segment of a longer file
    move(seconds);
    follow(false);
    requestAnimationFrame(run);
  }

  function toggle() {
    if (shown.sound.kind === "none") return;
    if (!audio.paused) return audio.pause();
    if (position >= shown.seconds) seek(0);
    audio.play();
  }

  // Which is shown

  function sound() {
    audio.pause();
    if (source) URL.revokeObjectURL(source);
    source = undefined;
    const { kind, data, url } = shown.sound;
    audio.hidden = kind === "none";
    byId("sound").textContent = shown.sound.note;
    if (kind === "none") return audio.removeAttribute("src");
    if (kind === "within") {
      const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
      source = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
    }
    audio.src = source ?? url;
    if (shown.sound.from) audio.currentTime = shown.sound.from;
  }

  function show(i) {
    shown = PAGE.recordings[i];
    position = 0;
    document.querySelector("button[aria-current]")?.removeAttribute("aria-current");
    buttons[i].setAttribute("aria-current", "true");
    byId("player").hidden = false;
    byId("name").textContent = shown.name;
    byId("thinned").textContent = shown.thinned;
    strip.setAttribute("aria-valuemax", shown.seconds.toFixed(2));
    const fit = timeline.clientWidth / shown.seconds;
    byId("zoom").value = fit < LEGIBLE ? (100 * Math.log(LEGIBLE / fit)) / Math.log(CLOSEST / fit) : 0;
    sound();
    draw();
    units();
  }

  const KEYS = {
    ArrowLeft: () => seek(position - 1), ArrowRight: () => seek(position + 1),
    PageUp: () => seek(position - 10), PageDown: () => seek(position + 10),
    Home: () => seek(0), End: () => seek(shown.seconds), " ": toggle,
  };

  strip.addEventListener("click", (event) => {
    const word = words.find(({ elements }) => elements.includes(event.target));
    const box = strip.getBoundingClientRect();
    seek(word ? word.from : ((event.clientX - box.left) / box.width) * shown.seconds);
  });
  strip.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  audio.addEventListener("play", run);
  for (const name of ["seeked", "pause"]) {
    audio.addEventListener(name, () => move(audio.currentTime - shown.sound.from));
  }
  audio.addEventListener("error", () => {
    if (shown.sound.kind !== "none") {
      byId("sound").textContent = `The browser cannot play this: the file is not there any more, or of a format that the browser does not know. ${shown.sound.note}`;
    }
  });
  byId("zoom").addEventListener("input", zoom);
  byId("smoothing").addEventListener("change", draw);
  addEventListener("resize", zoom);
  for (const button of buttons) {
    button.addEventListener("click", () => show(Number(button.dataset.recording)));
  }
  show(0);
}
