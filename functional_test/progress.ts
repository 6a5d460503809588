import ora from 'ora'
import type { Crowd, Place } from './crowd.ts'
import type { History } from './history.ts'
import { now } from './time.ts'

/** The progress display: a panel on a terminal, a plain line now and then elsewhere. */
export interface Progress {
  /** A new phase begins; it is named until the next one, and counted down when its end is known. */
  phase(name: string, endsAt?: number): void
  /** A line that stays. */
  say(text: string): void
  stop(): void
}

export interface Watched {
  readonly crowd: Crowd
  readonly history: History
}

const redrawEveryMs = 200
const plainLineEveryMs = 10_000
const rateOverMs = 1_000
const barWidth = 40

/**
 * `terminal`: redrawn in place. `plain`: a pipe, a file or a CI log, where nothing can be redrawn.
 */
export type Medium = 'terminal' | 'plain'

/**
 * Chooses the medium. On a terminal without a width, as in some containers, ora clears lines
 * endlessly.
 */
export const mediumOf = (
  stream: { readonly isTTY: boolean; readonly columns: number },
  environment: NodeJS.ProcessEnv,
): Medium =>
  stream.isTTY &&
  stream.columns > 0 &&
  environment['CI'] === undefined &&
  environment['TERM'] !== 'dumb'
    ? 'terminal'
    : 'plain'

export function showProgress(
  medium: Medium,
  print: (line: string) => void,
  watched: Watched,
): Progress {
  const meter = createMeter(watched)
  switch (medium) {
    case 'terminal':
      return panel(print, meter)
    case 'plain':
      return plainLines(print, meter)
  }
}

/** Redraws while it runs; ora lets lines that stay pass above the panel. */
function panel(print: (line: string) => void, meter: Meter): Progress {
  let name = 'starting'
  let endsAt: number | undefined
  const draw = (): string =>
    [`${name}${countdown(endsAt, now())}`, ...panelLines(meter.read())].join('\n')
  const spinner = ora({ text: name, stream: process.stdout, discardStdin: false }).start()
  const timer = setInterval(() => {
    spinner.text = draw()
  }, redrawEveryMs)
  return {
    phase(next, nextEndsAt) {
      name = next
      endsAt = nextEndsAt
      spinner.text = draw()
    },
    say(text) {
      spinner.clear()
      print(text)
      spinner.render()
    },
    stop() {
      clearInterval(timer)
      spinner.stop()
    },
  }
}

function plainLines(print: (line: string) => void, meter: Meter): Progress {
  let endsAt: number | undefined
  const timer = setInterval(() => {
    print(`${plainLine(meter.read())}${countdown(endsAt, now())}`)
  }, plainLineEveryMs)
  return {
    phase(_name, nextEndsAt) {
      endsAt = nextEndsAt
    },
    say: print,
    stop() {
      clearInterval(timer)
    },
  }
}

/** Says how long a phase still takes at most; nothing when that is not known. */
export function countdown(endsAt: number | undefined, at: number): string {
  if (endsAt === undefined) return ''
  const seconds = Math.ceil((endsAt - at) / 1_000)
  return seconds > 0 ? `; at most ${seconds} s more` : '; any moment now'
}

/** One moment of a run. */
export interface Reading {
  readonly bots: number
  readonly count: (place: Place) => number
  /** The recent rate of answers per second. */
  readonly rate: number
  readonly stock: {
    readonly available: number
    readonly held: number
    readonly sold: number
  } | null
}

interface Meter {
  read(): Reading
}

function createMeter({ crowd, history }: Watched): Meter {
  let readAt = now()
  let answers = 0
  let rate = 0
  return {
    read() {
      const at = now()
      if (at - readAt >= rateOverMs) {
        const total = history.exchanges.length
        rate = ((total - answers) * 1000) / (at - readAt)
        readAt = at
        answers = total
      }
      const count = (place: Place): number => crowd.count(place)
      return { bots: crowd.size, count, rate, stock: history.stock.at(-1) ?? null }
    },
  }
}

const counted = ['waiting', 'held', 'paid', 'refused', 'gone'] as const

export function panelLines(reading: Reading): string[] {
  const { bots, count, rate, stock } = reading
  const bars = counted.map((place) => {
    const share = bots === 0 ? 0 : count(place) / bots
    const filled = Math.round(share * barWidth)
    const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled)
    return `  ${place.padEnd(8)}${bar} ${count(place)}`
  })
  return [
    ...bars,
    ...(stock === null ? [] : [`  ${'stock'.padEnd(8)}${stockBar(stock)} ${stockWords(stock)}`]),
    `  ${'rate'.padEnd(8)}${Math.round(rate)} answers/s`,
  ]
}

export function plainLine({ count, rate, stock }: Reading): string {
  const places = counted.map((place) => `${place} ${count(place)}`).join(', ')
  const units = stock === null ? '' : `; stock: ${stockWords(stock)}`
  return `          ${places}${units}; ${Math.round(rate)} answers/s`
}

type Stock = NonNullable<Reading['stock']>

/** Draws sold, held and available as one bar. Rounding must not change its length. */
function stockBar({ available, held, sold }: Stock): string {
  const total = Math.max(available + held + sold, 0)
  const upTo = (units: number): number =>
    Math.round((Math.min(Math.max(units, 0), total) / Math.max(total, 1)) * barWidth)
  const soldTo = upTo(sold)
  const heldTo = Math.max(upTo(sold + held), soldTo)
  return '█'.repeat(soldTo) + '▒'.repeat(heldTo - soldTo) + '·'.repeat(barWidth - heldTo)
}

const stockWords = ({ available, held, sold }: Stock): string =>
  `sold ${sold}, held ${held}, available ${available}`
