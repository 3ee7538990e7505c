// What plots on a canvas have in common: crisp sizes, lines, texts that fit, round ticks, drags.

/** A drag that moves some pixels, or else a click. */
function drags(target, { begin, move, end, click }) {
  target.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.offsetX >= target.clientWidth) return; // not on the scroll bar
    const begun = begin(event);
    let moved = false;
    const moves = (now) => {
      moved ||= Math.hypot(now.clientX - event.clientX, now.clientY - event.clientY) > 3;
      if (moved) move(now, begun);
    };
    const ends = (now) => {
      target.removeEventListener("pointermove", moves);
      if (!moved) click(now);
      else if (end) end(now, begun);
    };
    target.setPointerCapture(event.pointerId);
    target.addEventListener("pointermove", moves);
    target.addEventListener("pointerup", ends, { once: true });
  });
}

function sized(canvas, width, height, scale) {
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

/** A text, with its middle left out where it is wider than there is room. */
function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let keep = text.length;
  while (keep > 4 && context.measureText(`${text.slice(0, keep >> 1)}\u2026${text.slice(text.length - (keep - (keep >> 1)))}`).width > width) keep--;
  return `${text.slice(0, keep >> 1)}\u2026${text.slice(text.length - (keep - (keep >> 1)))}`;
}

function drawLabels(context, labels) {
  context.font = "10.5px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const { x, width, top, text, kind } of labels) {
    const short = kind.category === "busy" || kind.category === "programming" ? text.split(":")[1] ?? text : text;
    if (context.measureText(short).width + 8 > width) continue;
    context.fillStyle = inkOn(kindColour(kind));
    context.fillText(short, x + 4, top + (UNIT_LANE - 3) / 2);
  }
}

/** Round values between two, about so many. */
function niceTicks(from, to, count) {
  const rough = (to - from) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const ticks = [];
  for (let n = Math.ceil(from / step); n * step <= to; n++) ticks.push(n * step);
  return ticks;
}
