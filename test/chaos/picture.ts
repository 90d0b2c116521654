// A run as one picture: by region, how long reads took and what failed, over time; faults as bands behind them. An SVG that
// needs nothing else, in the colours of a light or a dark page.

import type { Band, Slice, Timeline } from './timeline.ts'

const WIDTH = 1_200
const LEFT = 64
const RIGHT = 64
const TITLE_HEIGHT = 56
const LABELS_HEIGHT = 118
const LATENCY_HEIGHT = 96
const FAILED_HEIGHT = 34
const GAP = 40
const FOOT = 46
const LEAST_MS = 1
const MOST_MS = 1_000
const TICKS_MS = [1, 10, 100, 1_000]
const LABEL_WIDTH = 13

const STYLE = `
  .ground { fill: #ffffff } .text { fill: #1f2328 } .soft { fill: #59636e }
  .grid { stroke: #d1d9e0 } .band { fill: #8c959f; fill-opacity: .16 } .edge { stroke: #8c959f; stroke-opacity: .7 }
  .p50 { stroke: #0969da } .p99 { stroke: #8250df } .reads { fill: #cf222e } .writes { fill: #bf8700 }
  .p50key { fill: #0969da } .p99key { fill: #8250df }
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif } .title { font-size: 17px; font-weight: 600 }
  .region { font-size: 13px; font-weight: 600 } .small { font-size: 10.5px } path, line { fill: none }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } .text { fill: #e6edf3 } .soft { fill: #9198a1 }
    .grid { stroke: #30363d } .band { fill: #b1bac4; fill-opacity: .15 } .edge { stroke: #9198a1; stroke-opacity: .6 }
    .p50 { stroke: #4493f8 } .p99 { stroke: #ab7df8 } .reads { fill: #f85149 } .writes { fill: #d29922 }
    .p50key { fill: #4493f8 } .p99key { fill: #ab7df8 }
  }`

/** What stands above the picture. */
export interface Caption {
  readonly title: string
  readonly summary: string
}

export function pictureOf(timeline: Timeline, lastedMs: number, { title, summary }: Caption): string {
  const panels = TITLE_HEIGHT + LABELS_HEIGHT
  const panelHeight = LATENCY_HEIGHT + FAILED_HEIGHT + GAP
  const bottom = panels + timeline.regions.length * panelHeight - GAP
  const height = bottom + FOOT
  const xOf = (ms: number) => LEFT + (Math.min(ms, lastedMs) / lastedMs) * (WIDTH - LEFT - RIGHT)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title><desc>${escaped(summary)}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>`,
    text({ x: LEFT, y: 28, name: 'text title' }, title),
    text({ x: LEFT, y: 47, name: 'soft' }, summary),
    ...bandsOf(timeline.bands, { xOf, top: panels, bottom }),
    ...timeline.regions.flatMap((region, i) =>
      panelOf(region, timeline, { xOf, top: panels + i * panelHeight }),
    ),
    ...timeAxis(lastedMs, xOf, bottom),
    ...keyOf(height - 14),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

interface Place {
  readonly xOf: (ms: number) => number
  readonly top: number
}

/** Each fault's stretch of time, its name above it; names that would cover each other move on to the right. */
function bandsOf(
  bands: readonly Band[],
  { xOf, top, bottom }: Place & { readonly bottom: number },
): string[] {
  let free = LEFT
  return bands.flatMap(({ label, fromMs, toMs }) => {
    const x = xOf(fromMs)
    const width = Math.max(2, xOf(toMs) - x)
    const at = Math.max(free, x + width / 2)
    free = at + LABEL_WIDTH
    return [
      `<rect class="band" x="${n(x)}" y="${top}" width="${n(width)}" height="${bottom - top}"/>`,
      `<path class="edge" d="M${n(x + width / 2)} ${top}L${n(at)} ${top - 10}"/>`,
      `<text class="text small" transform="translate(${n(at + 3)} ${top - 13}) rotate(-55)">${escaped(label)}</text>`,
    ]
  })
}

function panelOf(region: string, timeline: Timeline, { xOf, top }: Place): string[] {
  const slices = timeline.of(region)
  const yOf = (ms: number) => {
    const share =
      Math.log10(Math.min(MOST_MS, Math.max(LEAST_MS, ms)) / LEAST_MS) / Math.log10(MOST_MS / LEAST_MS)
    return top + LATENCY_HEIGHT * (1 - share)
  }
  const floor = top + LATENCY_HEIGHT + FAILED_HEIGHT
  const middle = (slice: Slice) => xOf(slice.fromMs + timeline.sliceMs / 2)
  const failedMax = Math.max(
    10,
    ...timeline.regions.flatMap((one) =>
      timeline.of(one).map((slice) => slice.failedReads + slice.failedWrites),
    ),
  )
  return [
    text({ x: LEFT, y: top - 6, name: 'text region' }, region),
    ...TICKS_MS.flatMap((ms) => [
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(yOf(ms))}" y2="${n(yOf(ms))}"/>`,
      text(
        { x: LEFT - 8, y: yOf(ms) + 4, name: 'soft small', anchor: 'end' },
        ms === 1_000 ? '1 s' : `${ms} ms`,
      ),
    ]),
    line('p99', slices, (slice) => slice.p99Ms, middle, yOf),
    line('p50', slices, (slice) => slice.p50Ms, middle, yOf),
    `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${floor}" y2="${floor}"/>`,
    text({ x: LEFT - 8, y: floor, name: 'soft small', anchor: 'end' }, 'failed'),
    ...slices.flatMap((slice) => failedBars(slice, { timeline, xOf, top: floor }, failedMax)),
  ]
}

function failedBars(slice: Slice, place: Place & { readonly timeline: Timeline }, most: number): string[] {
  const { xOf, timeline, top: floor } = place
  const x = xOf(slice.fromMs)
  const width = Math.max(1, xOf(slice.fromMs + timeline.sliceMs) - x - 0.4)
  // One failed call can be seen too.
  const heightOf = (count: number) => (count === 0 ? 0 : Math.max(3, (count / most) * (FAILED_HEIGHT - 6)))
  const bar = (name: string, count: number, below: number) => {
    const height = heightOf(count)
    if (height === 0) return []
    return [
      `<rect class="${name}" x="${n(x)}" y="${n(floor - below - height)}" width="${n(width)}" height="${n(height)}"/>`,
    ]
  }
  return [
    ...bar('reads', slice.failedReads, 0),
    ...bar('writes', slice.failedWrites, heightOf(slice.failedReads)),
  ]
}

/** Broken where nothing was answered. */
function line(
  name: string,
  slices: readonly Slice[],
  msOf: (slice: Slice) => number | undefined,
  xOf: (slice: Slice) => number,
  yOf: (ms: number) => number,
): string {
  let path = ''
  let drawing = false
  for (const slice of slices) {
    const value = msOf(slice)
    if (value !== undefined) path += `${drawing ? 'L' : 'M'}${n(xOf(slice))} ${n(yOf(value))}`
    drawing = value !== undefined
  }
  return `<path class="${name}" stroke-width="1.6" stroke-linejoin="round" d="${path}"/>`
}

function timeAxis(lastedMs: number, xOf: (ms: number) => number, bottom: number): string[] {
  const minutes = lastedMs / 60_000
  const stepMs = 60_000 * ([0.25, 0.5, 1, 2, 5, 10, 30].find((step) => minutes / step <= 12) ?? 60)
  const ticks = Array.from({ length: Math.floor(lastedMs / stepMs) + 1 }, (_, i) => i * stepMs)
  return ticks.map((ms) =>
    text({ x: xOf(ms), y: bottom + 15, name: 'soft small', anchor: 'middle' }, clock(ms)),
  )
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function keyOf(y: number): string[] {
  const keys = [
    ['p50key', 'median of reads'],
    ['p99key', '99th percentile of reads'],
    ['reads', 'reads not answered within 1 s'],
    ['writes', 'writes not acknowledged within 1 s'],
    ['band', 'fault, until it was healed'],
  ] as const
  return keys.flatMap(([name, words], i) => {
    const x = LEFT + i * 212
    return [
      `<rect class="${name}" x="${x}" y="${y - 9}" width="11" height="11" rx="2"/>`,
      text({ x: x + 17, y, name: 'soft small' }, words),
    ]
  })
}

function text(at: { x: number; y: number; name: string; anchor?: string }, words: string): string {
  const anchor = at.anchor === undefined ? '' : ` text-anchor="${at.anchor}"`
  return `<text class="${at.name}" x="${n(at.x)}" y="${n(at.y)}"${anchor}>${escaped(words)}</text>`
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function escaped(words: string): string {
  return words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
}
