// Numbers, spans, instants and devices as people read them, and tables as spreadsheets do.

const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
const DECIMAL = ["", "k", "M", "G", "T"];
// Units that are a multiple of bytes: how many bytes, and what stays behind the prefix.
const BYTES = { B: [1, "B"], KiB: [1024, "B"], MiB: [1048576, "B"], "B/s": [1, "B/s"], "KiB/s": [1024, "B/s"] };

/** The number and prefixed unit that show `value`; `like` picks the prefix, so that an axis keeps one. */
export function scaled(value, unit, like = value) {
  const bytes = BYTES[unit];
  if (bytes) {
    const size = Math.abs(like) * bytes[0];
    const step = Math.min(BINARY.length - 1, size < 1024 ? 0 : Math.floor(Math.log2(size) / 10));
    return [(value * bytes[0]) / 1024 ** step, BINARY[step] + bytes[1]];
  }
  if (unit === "ms") {
    const size = Math.abs(like);
    return size >= 1000 ? [value / 1000, "s"] : size && size < 1 ? [value * 1000, "µs"] : [value, "ms"];
  }
  if (unit.startsWith("%")) return [value, unit];
  const size = Math.abs(like);
  const step = Math.min(DECIMAL.length - 1, size < 10000 ? 0 : Math.floor(Math.log10(size) / 3));
  return [value / 1000 ** step, DECIMAL[step] + (step && unit ? " " : "") + unit];
}

/** How much was recorded: never "100 %" where anything is missing. */
export const coverage = (percent) => (percent === null ? "–" : `${digits(Math.floor(percent * 10) / 10)} %`);

/** "31.2 %", "1.46 MiB/s", "12.5 k ops/s"; a dash where there is nothing. */
export function show(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const [number, prefixed] = scaled(value, unit);
  return withUnit(number, prefixed);
}

/** A name from outside within a sentence: one that is written from right to left, or turns what follows it, ends at its own end. */
export const isolated = (name) => (/[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/.test(name) ? `\u2068${name}\u2069` : name);

/** A share in a list of many: no more than two decimals. */
export const share = (value) => (value ? show(Math.round(value * 100) / 100, "%") : show(value, "%"));

/** A number with its unit behind it: "4 tasks", "1 task", "12". */
export function withUnit(number, unit) {
  const text = digits(number);
  const words = text === "1" ? unit.replace(/^(task|user|thread|event)s$/, "$1") : unit;
  return words ? `${text} ${short(words)}` : text;
}

/** How far a value is from another, with its sign: in its unit (percentage points of shares) and in % ("0 %" of next to nothing); null where that is not known. */
export function difference(value, unit, percent) {
  const signed = (number, text) => `${number > 0 ? "+" : number < 0 ? "−" : ""}${text}`;
  const size = show(value === null || value === undefined ? null : Math.abs(value), unit.startsWith("%") ? "pp" : unit);
  const told = /^(–|0 )/.test(size) ? size : signed(value, size);
  if (percent === null || percent === undefined) return [told, null];
  const share = Math.abs(percent).toFixed(1);
  return [told, share === "0.0" ? "0 %" : signed(percent, `${share} %`)];
}

/** Where the prefixes of a unit begin, as a value in it, and how much each is of the one before: of "MiB" 2 ** -20 and 1024. */
export const prefixes = (unit) =>
  BYTES[unit] ? { one: 1 / BYTES[unit][0], next: 1024 } : { one: unit === "ms" ? 1e-3 : 1e-6, next: 1000 };

/** The unit, with its prefix, in which `bare` shows figures like `like`. */
export const unitLike = (like, unit) => short(scaled(like ?? 0, unit, like ?? 0)[1]);

/** The number alone, in the unit that `unitLike` names; a figure that would be next to nothing in it has its own. */
export function bare(value, unit, like) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const [number, prefixed] = scaled(value, unit, like);
  const own = value && Math.abs(value) < Math.abs(like) / 1000 && scaled(value, unit)[1] !== prefixed;
  return own ? show(value, unit) : digits(number);
}

const SHORT = {
  "% of one core": "%",
  packets: "pkt",
  segments: "seg",
  connections: "conn",
  requests: "req",
  errors: "err",
  processes: "proc",
};

/** A unit where there is little room; the title has it in full. */
export function short(unit) {
  if (SHORT[unit]) return SHORT[unit];
  if (unit.endsWith("1/s")) return unit.replace(/ ?1\/s$/, "/s");
  return unit.replace(/^(k |M |G )?([a-z]+)(\/s)?$/, (all, prefix = "", word, rate = "") => prefix + (SHORT[word] ?? word) + rate);
}

/** Three significant figures, no exponent, no trailing dust. */
export function digits(number) {
  const size = Math.abs(number);
  if (size >= 100 || number === 0) return number.toLocaleString("en", { maximumFractionDigits: 0, useGrouping: size >= 10000 });
  return number
    .toFixed(size >= 10 ? 1 : size >= 0.01 ? 2 : 4)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");
}

/** At most two neighbouring units, the last one rounded: "2 m 10 s", "1 d 3 h", "250 ms". format_duration of units.py says the same. */
export function span(ms) {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  const whole = seconds < 3600 ? seconds : seconds < 86400 ? Math.round(seconds / 60) * 60 : Math.round(seconds / 3600) * 3600;
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([n]) => n);
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(" ");
}

const two = (n) => String(n).padStart(2, "0");
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

function parts(ms, utc) {
  const d = new Date(ms);
  return utc
    ? [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds()]
    : [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds(), d.getMilliseconds()];
}

/** "10:02:11", with the fraction where there is one. */
export function clock(ms, utc) {
  const [, , , h, m, s, f] = parts(ms, utc);
  return `${two(h)}:${two(m)}:${two(s)}${f ? `.${String(f).padStart(3, "0")}` : ""}`;
}

/** "11 Nov 2026". */
export function day(ms, utc) {
  const [y, mo, d] = parts(ms, utc);
  return `${d} ${MONTHS[mo]} ${y}`;
}

/** "11 Nov 2026 10:02:11". */
export const instant = (ms, utc) => `${day(ms, utc)} ${clock(Math.round(ms / 1000) * 1000, utc)}`;

/** "2026-11-11 10:02:11.001 UTC+1": an instant to the millisecond, in a table that is sorted by it. */
export function stamp(ms, utc) {
  const [y, mo, d] = parts(ms, utc);
  return `${y}-${two(mo + 1)}-${two(d)} ${clock(ms, utc)} ${zone(ms, utc)}`;
}

/** The offset of the clock that is shown, at the instant `ms`: "UTC", "UTC+1", "UTC−3:30". */
export function zone(ms, utc) {
  const minutes = utc ? 0 : -new Date(ms).getTimezoneOffset();
  if (!minutes) return "UTC";
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest ? `:${two(rest)}` : ""}`;
}

/** The zone's name: "UTC", "Europe/Berlin". */
export const zoneName = (utc) => (utc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone);

/** An instant within a stretch: "10:02:11", with its day where the stretch has several. */
export function moment(ms, { from, to, utc }) {
  const [, month, date] = parts(ms, utc);
  return `${day(from, utc) === day(to, utc) ? "" : `${date} ${MONTHS[month]} `}${clock(Math.floor(ms / 1000) * 1000, utc)}`;
}

/** "11 Nov 2026 10:02:11 – 10:12:41 UTC+1 (10 m 30 s)". */
export function stretch(from, to, utc) {
  const end = day(from, utc) === day(to, utc) ? clock(Math.floor(to / 1000) * 1000, utc) : instant(to, utc);
  return `${instant(from, utc)} – ${end} ${zone(to, utc)} (${span(to - from)})`;
}

/** The labels of an axis of spans since a start: "2 m 10 s", "0". */
export const spans = (values) => values.map((ms) => (ms === 0 ? "0" : `${ms < 0 ? "−" : ""}${span(Math.abs(ms))}`));

/** The labels of a time axis whose ticks are `step` ms apart: midnight is named by its day. */
export function ticks(values, step, utc) {
  return values.map((ms) => {
    const [, mo, d, h, m, s, f] = parts(ms, utc);
    if (step >= 86400000 || (step >= 60000 && !h && !m)) return `${d} ${MONTHS[mo]}`;
    if (step < 1000) return `${two(h)}:${two(m)}:${two(s)}.${String(f).padStart(3, "0")}`;
    return step < 60000 ? `${two(h)}:${two(m)}:${two(s)}` : `${two(h)}:${two(m)}`;
  });
}

const LIMITS = { cpu: "CPU-bound", memory: "memory-bound", disk: "disk-bound", network: "network-bound", none: "nothing saturated" };

/** The verdict of a run in a word or two, the colour of it, its sentence, and the rest of that but for what was recorded; its instant in the zone of the page. */
export function judged({ verdict: { trusted, limit, sentence: told, from: since }, from, to, recorded }, utc) {
  const at = Date.parse(since);
  const sentence = since ? told.replace(`${since.slice(11, 19)} UTC`, `${moment(at, { from, to, utc })} ${zone(at, utc)}`) : told;
  const because = sentence.replace(` Recorded ${recorded}.`, "").slice(sentence.indexOf(":") + 1).trim();
  if (!trusted) return { word: "not to be trusted", looks: "bad", sentence, because };
  return { word: LIMITS[limit], looks: limit === "none" ? "ok" : "warn", sentence, because };
}

// What stands for all devices of a table.
export const WHOLE = "all";
// Loop and RAM disks, volumes made of disks, interfaces inside the machine.
const MADE =
  /^(loop|ram|zram|sr|fd|nbd|dm-|md|drbd|bcache|lo$|veth|docker|br-|virbr|cni|flannel|cali|tun|tap|dummy|ifb|sit|tunl|gre|wg)\d*/;
const PARTITION = /^((?:s|v|xv|h)d[a-z]+)\d+$|^((?:nvme\d+n|mmcblk|nbd|loop)\d+)p\d+$/;

/** Sorts what stands for all first, then disks and interfaces before what is made of them, then by number where names are numbered. */
export function byDevice(a, b) {
  const order = (name) => (name === WHOLE ? 0 : MADE.test(name) ? 2 : 1);
  return order(a) - order(b) || a.localeCompare(b, "en", { numeric: true });
}

/** Whole disks of `devices`: no partition of one that is there, nothing that is made of others; all where that leaves none. */
export function wholeDisks(devices) {
  const whole = devices.filter((name) => {
    const [, disk, numbered] = name.match(PARTITION) ?? [];
    return !MADE.test(name) && !devices.includes(disk ?? numbered);
  });
  return whole.length ? whole : devices;
}

/** Lines of cells as a CSV. */
export const csvOf = (head, lines) => [head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";

/** Text that a spreadsheet would take for a formula gets a quote in front. */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
