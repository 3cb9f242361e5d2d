import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import uPlot from "uplot";
import { align, type Series } from "../lib/series";
import { clock, duration } from "../lib/format";
import { useTheme } from "../hooks/useTheme";

export interface ChartSeries {
  id: string;
  label: string;
  /** Name of a CSS custom property that holds the colour. */
  color: string;
  data: Series;
  shown: boolean;
  /** Over the run as a whole. */
  whole: number | null;
  fill?: boolean;
}

export interface ChartProps {
  title: string;
  series: ChartSeries[];
  /** Seconds between points. */
  step: number;
  /** Unix seconds. */
  range: readonly [number, number];
  /** When the run began, for the time since. Unix seconds. */
  origin: number;
  format: (v: number | null | undefined) => string;
  /** The same quantity, short, for the axis. */
  formatAxis: (v: number) => string;
  /** The value axis is at least that high, and, for shares, at most `ceiling`. */
  floor: number;
  ceiling?: number;
  /** For quantities that spread over powers of ten: a few slow answers else flatten everything. */
  offerLog?: boolean;
  loaded: boolean;
  /** Without a cursor the legend shows the newest values, else those over the whole run. */
  live: boolean;
  onToggle?: (id: string) => void;
  onZoom: (range: [number, number] | null) => void;
}

const height = 190;
const cursorGroup = uPlot.sync("run");

/** Points whose neighbours on both sides are missing: a line would not show them. */
const lone: uPlot.Series.Points.Filter = (u, i) => {
  const column = u.data[i]!;
  const found: number[] = [];
  for (let k = 0; k < column.length; k++) {
    if (column[k] != null && column[k - 1] == null && column[k + 1] == null) found.push(k);
  }
  return found;
};

const powersOfTen: uPlot.Axis.Filter = (_u, splits) => splits.map((v) => (v > 0 && Math.abs(Math.log10(v) % 1) < 1e-9 ? v : null));

interface Live {
  range: readonly [number, number];
  origin: number;
  series: ChartSeries[];
  format: ChartProps["format"];
  onZoom: ChartProps["onZoom"];
}

/** Text goes in by textContent: labels are the users'. */
function fillTooltip(tip: HTMLElement, u: uPlot, idx: number, live: Live): void {
  const t = u.data[0][idx]!;
  const time = document.createElement("div");
  time.className = "tip-time";
  time.textContent = clock(t);
  const since = document.createElement("span");
  since.textContent = `+${duration(t - live.origin)}`;
  time.append(since);
  const rows = live.series
    .map((s, i) => ({ s, v: u.data[i + 1]?.[idx] }))
    .filter(({ s }) => s.shown)
    .map(({ s, v }) => {
      const row = document.createElement("div");
      row.className = "tip-row";
      const key = document.createElement("i");
      key.style.background = `var(${s.color})`;
      const label = document.createElement("span");
      label.textContent = s.label;
      const value = document.createElement("b");
      value.textContent = v == null ? "no data" : live.format(v);
      row.append(key, label, value);
      return row;
    });
  tip.replaceChildren(time, ...rows);
}

function placeTooltip(tip: HTMLElement, u: uPlot): void {
  const left = u.cursor.left ?? 0;
  const room = u.over.clientWidth;
  const width = tip.offsetWidth;
  const x = left + 14 + width > room ? Math.max(0, left - width - 14) : left + 14;
  const y = Math.max(0, Math.min((u.cursor.top ?? 0) - tip.offsetHeight / 2, u.over.clientHeight - tip.offsetHeight));
  tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}

export function Chart(props: ChartProps) {
  const { title, series, step, range, format, formatAxis, floor, ceiling, offerLog = false, loaded, live: following, onToggle } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const [log, setLog] = useState(false);
  const theme = useTheme();
  const heading = useId();
  const data = useMemo(() => align(series.map((s) => s.data), step), [series, step]);
  const live = useRef<Live>(props);
  live.current = props;
  const dataNow = useRef(data);
  dataNow.current = data;
  const shape = series.map((s) => `${s.id}:${s.shown ? 1 : 0}`).join();

  useLayoutEffect(() => {
    const el = host.current!;
    const css = getComputedStyle(document.documentElement);
    const color = (name: string) => css.getPropertyValue(name).trim();
    const tip = document.createElement("div");
    tip.className = "tip";
    const font = `11px ${css.getPropertyValue("--sans")}`;
    const axis = { stroke: color("--text-3"), font, ticks: { show: false }, grid: { stroke: color("--grid"), width: 1 } };
    const u = new uPlot(
      {
        width: Math.max(el.clientWidth, 50),
        height,
        // At the right half a label of the time axis may stand over.
        padding: [10, 22, 0, 0],
        legend: { show: false },
        scales: {
          x: { time: true, range: () => [live.current.range[0], live.current.range[1]] },
          y: log
            ? { distr: 3, range: (_u, low, top) => (low === null || !(top > 0) ? [floor, floor * 1000] : uPlot.rangeLog(Math.max(low, top / 1e6), top, 10, false)) }
            : {
                range: (_u, _low, top) => {
                  const high = Math.max(floor, Number.isFinite(top) ? top * 1.12 : 0);
                  return [0, ceiling === undefined ? high : Math.min(ceiling, high)];
                },
              },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 28, space: 76, values: (_u, ticks, _i, _space, incr) => ticks.map((t) => (incr >= 60 ? clock(t).slice(0, 5) : clock(t))) },
          { ...axis, ...(log ? { grid: { ...axis.grid, filter: powersOfTen }, filter: powersOfTen } : {}), size: 58, space: 38, values: (_u, ticks: (number | null)[]) => ticks.map((v) => (v === null ? "" : formatAxis(v))) },
        ],
        series: [
          {},
          ...live.current.series.map((s): uPlot.Series => {
            const stroke = color(s.color);
            return {
              label: s.label,
              show: s.shown,
              stroke,
              width: 1.5,
              ...(s.fill ? { fill: `color-mix(in srgb, ${stroke} 12%, transparent)` } : {}),
              points: { show: true, size: 4, fill: stroke, filter: lone },
            };
          }),
        ],
        cursor: {
          sync: { key: cursorGroup.key },
          drag: { x: true, y: false, setScale: false },
          points: { size: 7, width: 2, fill: (self, i) => (self.series[i]!.stroke as () => string)(), stroke: () => color("--panel") },
          bind: {
            // uPlot's own double click would forget the shared range.
            dblclick: () => () => {
              live.current.onZoom(null);
              return null;
            },
          },
        },
        hooks: {
          init: [(self) => self.over.append(tip)],
          setCursor: [
            (self) => {
              const idx = self.cursor.idx ?? null;
              const inside = idx !== null && (self.cursor.left ?? -1) >= 0;
              setCursor(inside ? idx : null);
              const here = inside && (self.over.matches(":hover") || el.parentElement!.contains(document.activeElement));
              tip.classList.toggle("on", here);
              if (here) {
                fillTooltip(tip, self, idx, live.current);
                placeTooltip(tip, self);
              }
            },
          ],
          setSelect: [
            (self) => {
              const { left, width } = self.select;
              if (width < 4) return;
              const from = self.posToVal(left, "x");
              const to = self.posToVal(left + width, "x");
              self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              live.current.onZoom([from, to]);
            },
          ],
        },
      },
      dataNow.current as uPlot.AlignedData,
      el,
    );
    plot.current = u;
    const resize = new ResizeObserver(() => u.setSize({ width: Math.max(el.clientWidth, 50), height }));
    resize.observe(el);
    let gone = false;
    // The axes are drawn on a canvas, which doesn't wait for the font.
    void document.fonts.ready.then(() => gone || u.redraw(false, true));
    return () => {
      gone = true;
      resize.disconnect();
      u.destroy();
      plot.current = null;
    };
    // A changed set of lines or colours makes a new plot; new data doesn't.
  }, [shape, theme, floor, ceiling, formatAxis, log]);

  const [from, to] = range;
  useEffect(() => {
    plot.current?.setData(data as uPlot.AlignedData);
  }, [data, from, to]);

  const move = (event: KeyboardEvent) => {
    const u = plot.current;
    if (!u || (event.key !== "ArrowLeft" && event.key !== "ArrowRight" && event.key !== "Escape")) return;
    event.preventDefault();
    if (event.key === "Escape") {
      u.setCursor({ left: -10, top: -10 });
      live.current.onZoom(null);
      return;
    }
    const x = u.data[0];
    const by = event.key === "ArrowLeft" ? -1 : 1;
    const now = cursor ?? (by < 0 ? x.length : -1);
    const idx = Math.max(0, Math.min(x.length - 1, now + by));
    if (x[idx] !== undefined) u.setCursor({ left: u.valToPos(x[idx], "x"), top: height / 2.5 });
  };

  const meaning = cursor !== null ? undefined : following ? "newest" : "over the whole run";
  const shownAt = (s: ChartSeries, i: number) => {
    const value = cursor !== null ? data[i + 1]![cursor] : following ? s.data.v[s.data.v.length - 1] : s.whole;
    return format(value ?? null);
  };
  const empty = series.every((s) => s.data.t.length === 0);

  return (
    <section className="panel chart" aria-labelledby={heading}>
      <header className="chart-head">
        <h3 id={heading}>{title}</h3>
        {offerLog && (
          <button type="button" className="quiet switch" aria-pressed={log} onClick={() => setLog(!log)} title={log ? "Show on a linear scale" : "Show on a logarithmic scale"}>
            log
          </button>
        )}
        <ul className="legend">
          {series.map((s, i) => {
            const body = (
              <>
                <i className="swatch" style={{ background: `var(${s.color})` }} />
                <span>{s.label}</span>
                {s.shown && <b title={meaning}>{shownAt(s, i)}</b>}
              </>
            );
            return (
              <li key={s.id} className={s.shown ? "" : "off"}>
                {onToggle ? (
                  <button type="button" aria-pressed={s.shown} onClick={() => onToggle(s.id)} title={s.shown ? `Hide ${s.label}` : `Show ${s.label}`}>
                    {body}
                  </button>
                ) : (
                  <span className="key">{body}</span>
                )}
              </li>
            );
          })}
        </ul>
      </header>
      <div className={empty ? "plot is-empty" : "plot"} tabIndex={0} role="img" aria-label={`${title} over time. ${series.filter((s) => s.shown).map((s, i) => `${s.label}: ${shownAt(s, i)}`).join(", ")}. Arrow keys move along the time.`} onKeyDown={move} onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}>
        <div ref={host} />
        {empty && (
          <p className="plot-empty">
            <span>{!loaded ? "Loading…" : following ? "No data yet" : "No data"}</span>
          </p>
        )}
      </div>
    </section>
  );
}
