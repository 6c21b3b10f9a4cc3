// Draws the notes of a track on a canvas, with a line where the sound is. Before: piano-roll.json. After: follow.js moves the line.

const PADDING = 10;

/** A piano roll in a canvas; `draw(seconds)` moves the line. */
export class PianoRoll {
  constructor(canvas, roll) {
    this.canvas = canvas;
    this.notes = roll.notes;
    this.length = Math.max(roll.seconds, 0.1);
    this.barLines = roll.bar_lines_seconds ?? [];
    this.low = roll.lowest - 1;
    this.high = roll.highest + 1;
  }

  secondsAt(clientX) {
    const box = this.canvas.getBoundingClientRect();
    return ((clientX - box.left - PADDING) / (box.width - 2 * PADDING)) * this.length;
  }

  draw(seconds, isCurrent) {
    const ratio = devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
    if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const colours = getComputedStyle(this.canvas);
    const quiet = colours.getPropertyValue("--line-strong");
    const ink = colours.getPropertyValue("--ink");
    const accent = colours.getPropertyValue("--accent");
    const x = (time) => PADDING + (time / this.length) * (width - 2 * PADDING);
    const row = (height - 2 * PADDING) / (this.high - this.low + 1);
    pen.fillStyle = colours.getPropertyValue("--line");
    for (const moment of this.barLines) pen.fillRect(x(moment), 0, 1, height);
    for (const note of this.notes) {
      const isSounding = isCurrent && note.start_seconds <= seconds && seconds < note.end_seconds;
      pen.fillStyle = isSounding ? accent : isCurrent && note.end_seconds <= seconds ? ink : quiet;
      const left = x(note.start_seconds);
      pen.beginPath();
      pen.roundRect(left, PADDING + (this.high - note.pitch) * row, Math.max(x(note.end_seconds) - left - 1.5, 2), Math.max(row - 1, 3), 3);
      pen.fill();
    }
    if (!isCurrent) return;
    pen.fillStyle = accent;
    pen.fillRect(x(seconds) - 1, 4, 2, height - 8);
  }
}
