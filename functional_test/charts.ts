import { html, type Html } from './html.ts'
import { roundStep, type Bin } from './statistics.ts'

/**
 * Charts as SVG, drawn here so that the page needs nothing but itself. Colours come from its style.
 */

/** Names of colours in the style of the page. */
export type Colour = 'sold' | 'held' | 'available' | 'holds' | 'refusals'

export interface Axis {
  /** The name of the axis with its unit. */
  readonly label: string
  readonly max: number
}

/** A dashed line with a word on it. */
export interface Marker {
  readonly at: number
  readonly label: string
}

export interface Chart {
  /** The text that screen readers read. */
  readonly description: string
  readonly x: Axis
  readonly y: Axis
  readonly markers: readonly Marker[]
  readonly height: number
}

export interface Bars extends Chart {
  readonly bars: readonly (Bin & { readonly tip: string })[]
  readonly colour: Colour
}

export interface Layer {
  readonly name: Colour
  readonly values: readonly number[]
}

export interface Areas extends Chart {
  readonly xs: readonly number[]
  /** Stacked, the first at the bottom. */
  readonly layers: readonly Layer[]
  readonly tips: readonly string[]
}

/** A picture cannot be scaled down to a phone, where its text would have 4 px: each chart is drawn twice. */
interface Layout {
  /** The class whose style shows one of the two. */
  readonly screen: 'desk' | 'phone'
  /** Units of the drawing; about the pixels that it gets. */
  readonly width: number
  readonly ticksMax: { readonly x: number; readonly y: number }
}

const layouts: readonly Layout[] = [
  { screen: 'desk', width: 1080, ticksMax: { x: 12, y: 5 } },
  { screen: 'phone', width: 380, ticksMax: { x: 5, y: 4 } },
]
const margin = { top: 30, right: 16, bottom: 44, left: 72 }
/** The longest word on a marker, in units of the drawing. */
const markerWidth = 150
/** A bar this narrow is still seen. */
const barWidthMin = 1

export function barChart(chart: Bars): Html {
  return html`${layouts.map((layout) => bars(chart, layout))}`
}

function bars(chart: Bars, layout: Layout): Html {
  const scale = scaleOf(chart, layout)
  const drawn = chart.bars.map(({ from, to, count, tip }) => {
    const left = scale.x(from)
    const space = scale.x(to) - left
    const barWidth = Math.max(barWidthMin, space - Math.min(2, space / 5))
    const top = scale.y(count)
    return html` <g class="hit" data-tip="${tip}">
      <rect
        class="reach"
        x="${fixed(left)}"
        y="${margin.top}"
        width="${fixed(space)}"
        height="${fixed(scale.bottom - margin.top)}"
      />
      <rect
        class="bar ${chart.colour}"
        x="${fixed(left)}"
        y="${fixed(top)}"
        width="${fixed(barWidth)}"
        height="${fixed(scale.bottom - top)}"
      />
    </g>`
  })
  return drawing(chart, scale, drawn)
}

export function areaChart(chart: Areas): Html {
  return html`${layouts.map((layout) => areas(chart, layout))}`
}

function areas(chart: Areas, layout: Layout): Html {
  const scale = scaleOf(chart, layout)
  const { xs, layers } = chart
  let floor = xs.map(() => 0)
  const drawn = layers.map(({ name, values }) => {
    const ceiling = floor.map((below, index) => below + Math.max(0, values[index] ?? 0))
    const upper = xs.map((x, index) => point(scale, x, ceiling[index] ?? 0))
    const lower = xs.map((x, index) => point(scale, x, floor[index] ?? 0)).reverse()
    floor = ceiling
    return html`<polygon class="area ${name}" points="${[...upper, ...lower].join(' ')}" />`
  })
  return drawing(chart, scale, [...drawn, ...reaches(chart, scale)])
}

/** Makes the areas that show the numbers of a moment under the mouse. */
function reaches({ xs, tips }: Areas, scale: Scale): Html[] {
  return xs.map((x, index) => {
    const left = scale.x(x)
    const right = scale.x(xs[index + 1] ?? x)
    return html` <g class="hit" data-tip="${tips[index] ?? ''}">
      <rect
        class="reach"
        x="${fixed(left)}"
        y="${margin.top}"
        width="${fixed(Math.max(1, right - left))}"
        height="${fixed(scale.bottom - margin.top)}"
      />
    </g>`
  })
}

interface Scale {
  x(value: number): number
  y(value: number): number
  readonly bottom: number
  readonly xMax: number
  readonly yMax: number
  readonly layout: Layout
}

/** Ends at the next line of the grid, so that nothing touches the edge. */
function scaleOf({ x, y, height }: Chart, layout: Layout): Scale {
  const { width, ticksMax } = layout
  const bottom = height - margin.bottom
  const xMax = x.max > 0 ? x.max : 1
  const step = roundStep(Math.max(1, y.max), ticksMax.y)
  const yMax = Math.ceil(Math.max(1, y.max) / step) * step
  return {
    x: (value) => margin.left + (value / xMax) * (width - margin.left - margin.right),
    y: (value) => bottom - (value / yMax) * (bottom - margin.top),
    bottom,
    xMax,
    yMax,
    layout,
  }
}

function drawing(chart: Chart, scale: Scale, marks: readonly Html[]): Html {
  const { description, x, y, height } = chart
  const { width, ticksMax, screen } = scale.layout
  const middle = margin.left + (width - margin.left - margin.right) / 2
  const half = margin.top + (scale.bottom - margin.top) / 2
  return html` <div class="${screen}">
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${description}">
      ${ticks(scale.yMax, ticksMax.y).map((value) => rung(scale, value))} ${marks}
      <line
        class="axis"
        x1="${margin.left}"
        x2="${width - margin.right}"
        y1="${scale.bottom}"
        y2="${scale.bottom}"
      />
      ${ticks(scale.xMax, ticksMax.x).map((value) => notch(scale, value))}
      ${chart.markers.map((marker) => dashed(scale, marker))}
      <text class="label" x="${middle}" y="${height - 6}" text-anchor="middle">${x.label}</text>
      <text
        class="label"
        transform="rotate(-90 14 ${half})"
        x="14"
        y="${half}"
        text-anchor="middle"
      >
        ${y.label}
      </text>
    </svg>
  </div>`
}

function rung(scale: Scale, value: number): Html {
  const { width } = scale.layout
  const y = fixed(scale.y(value))
  return html` <line
      class="grid"
      x1="${margin.left}"
      x2="${width - margin.right}"
      y1="${y}"
      y2="${y}"
    />
    <text class="tick" x="${margin.left - 8}" y="${y}" dy="0.35em" text-anchor="end"
      >${counted(value)}</text
    >`
}

function notch(scale: Scale, value: number): Html {
  const x = fixed(scale.x(value))
  return html` <line
      class="axis"
      x1="${x}"
      x2="${x}"
      y1="${scale.bottom}"
      y2="${scale.bottom + 5}"
    />
    <text class="tick" x="${x}" y="${scale.bottom + 18}" text-anchor="middle"
      >${counted(value)}</text
    >`
}

/** Words stand above the chart, to the side where there is room. */
function dashed(scale: Scale, { at, label }: Marker): Html {
  const x = scale.x(at)
  const isRight = x > scale.layout.width - markerWidth
  return html` <line
      class="marker"
      x1="${fixed(x)}"
      x2="${fixed(x)}"
      y1="${margin.top - 8}"
      y2="${scale.bottom}"
    />
    <text
      class="tick"
      x="${fixed(x + (isRight ? -5 : 5))}"
      y="${margin.top - 8}"
      dy="0.35em"
      text-anchor="${isRight ? 'end' : 'start'}"
      >${label}</text
    >`
}

function ticks(max: number, ticksAtMost: number): number[] {
  const step = roundStep(max, ticksAtMost)
  const count = Math.floor(max / step + 1e-9)
  return Array.from({ length: count + 1 }, (_, index) => index * step)
}

const point = (scale: Scale, x: number, y: number): string =>
  `${fixed(scale.x(x))},${fixed(scale.y(y))}`

const fixed = (value: number): string => value.toFixed(1)

/** Formats a number for people: 12,345 or 0.2. */
export const counted = (value: number): string =>
  value.toLocaleString('en-GB', { maximumFractionDigits: value < 10 ? 2 : 0 })
