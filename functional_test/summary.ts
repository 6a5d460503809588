import { steps, type Step } from './contract.ts'
import type { Evidence } from './evidence.ts'
import type { History, Try } from './history.ts'
import type { Finding } from './judgement.ts'
import type { PeakMemory } from './memory.ts'
import { histogram, latencyOf, roundStep, type Bin, type Latency } from './statistics.ts'

/**
 * The numbers of a run for the tables, report.json and the page. Holds and refusals are different
 * things and are never added up.
 */
export interface Summary {
  readonly about: About
  readonly race: RaceNumbers
  readonly busiestSecond: { readonly holds: number; readonly refusals: number }
  readonly outcomes: readonly OutcomeRow[]
  readonly events: readonly { readonly what: string; readonly times: number }[]
  readonly latencies: readonly (Latency & { readonly step: string })[]
  /** Latencies of the race from the first byte sent to the last byte received, ms. */
  readonly raceLatencies: { readonly held: readonly Bin[]; readonly refused: readonly Bin[] }
  /** The stock over time, in seconds since the first byte of the race. */
  readonly stock: readonly StockPoint[]
  readonly perSecond: readonly SecondOfOutcomes[]
  /** The first second of the race in slices of `sliceMs`, in which most of it happens. */
  readonly firstSecond: readonly SliceOfOutcomes[]
  /** The ends of the race and of the run, in the same seconds. */
  readonly phases: { readonly raceEnds: number; readonly ends: number }
  readonly memory: readonly PeakMemory[]
  readonly findings: readonly Finding[]
}

export interface About {
  /** RFC 3339. */
  readonly startedAt: string
  readonly seed: number
  /** The shop that was tested. */
  readonly shop: string
  readonly machine: string
  readonly bots: number
  readonly productId: number
  readonly allotment: number
  readonly availableAtStart: number
}

export interface RaceNumbers {
  /** The time until all bots were connected. */
  readonly connectSeconds: number
  /** The time from the first to the last sending of a first add-to-cart. */
  readonly sentWithinMs: number
  /** The time from the first byte sent until the last bot had its answer. */
  readonly answeredWithinMs: number
  readonly holds: number
  readonly holdsPerSecond: number
  /** The number of refusals; a bot that clicks twice gets two. */
  readonly refusals: number
  readonly refusalsPerSecond: number
  /** The time from the first byte sent until the last hold of the race was told. */
  readonly holdsWithinMs: number
  readonly refusalsWithinMs: number
}

export interface OutcomeRow {
  readonly outcome: string
  readonly race: number
  readonly comingBack: number
}

export interface StockPoint {
  readonly second: number
  readonly available: number
  readonly held: number
  readonly sold: number
}

export interface SecondOfOutcomes {
  readonly second: number
  readonly holds: number
  readonly refusals: number
}

export interface SliceOfOutcomes {
  /** The begin of the slice, ms since the first byte of the race. */
  readonly fromMs: number
  readonly holds: number
  readonly refusals: number
}

/** `now()` ms. */
export interface Moments {
  readonly arrivalAt: number
  readonly raceAt: number
  readonly raceSettledAt: number
  readonly endAt: number
}

export interface Facts {
  readonly evidence: Evidence
  readonly findings: readonly Finding[]
  readonly moments: Moments
  readonly memory: readonly PeakMemory[]
  readonly about: Pick<About, 'startedAt' | 'seed' | 'shop' | 'machine'>
}

const stockPointsMax = 600
const histogramBinsMax = 40
/** The width of a slice of the first second, ms. */
export const sliceMs = 50

export function summarize({ evidence, findings, moments, memory, about }: Facts): Summary {
  const { history, start, bots, productId } = evidence
  const told = toldOf(history, moments)
  const sent = firstSends(history, moments)
  const zero = sent.firstAt
  const seconds = (at: number): number => Math.max(0, at - zero) / 1000
  const perSecond = bySecond(told, seconds)
  return {
    about: {
      ...about,
      bots,
      productId,
      allotment: start.allotment,
      availableAtStart: start.available,
    },
    race: raceNumbers(told, moments, sent),
    busiestSecond: {
      holds: most(perSecond.map((second) => second.holds)),
      refusals: most(perSecond.map((second) => second.refusals)),
    },
    outcomes: outcomesOf(history),
    events: eventsOf(history),
    latencies: latenciesOf(history, moments),
    raceLatencies: raceHistograms(history, moments),
    stock: thinned(history.stock, stockPointsMax).map(({ answeredAt, available, held, sold }) => ({
      second: seconds(answeredAt),
      available,
      held,
      sold,
    })),
    perSecond,
    firstSecond: inSlices(told, seconds),
    phases: { raceEnds: seconds(moments.raceSettledAt), ends: seconds(moments.endAt) },
    memory,
    findings,
  }
}

interface Told {
  /** The times when each unit's hold was first told. */
  readonly holds: readonly number[]
  readonly refusals: readonly number[]
}

function toldOf(history: History, { raceAt }: Moments): Told {
  const holds = new Map<string, number>()
  for (const { reservationId, toldAt } of history.holds) {
    holds.set(reservationId, Math.min(toldAt, holds.get(reservationId) ?? Infinity))
  }
  const refusals = history.keyedAnswers
    .filter(({ step, outcome }) => step === 'add to cart' && outcome === 'refused')
    .map(({ answeredAt }) => answeredAt)
  return { holds: [...holds.values()].filter((at) => at >= raceAt), refusals }
}

interface Sends {
  readonly firstAt: number
  readonly lastAt: number
}

/** Measures the sending of all bots' first add-to-cart. */
function firstSends(history: History, { raceAt }: Moments): Sends {
  const firstOf = new Map<number, number>()
  for (const { step, bot, sentAt } of history.exchanges) {
    if (step !== 'add to cart' || bot === null) continue
    firstOf.set(bot, Math.min(sentAt, firstOf.get(bot) ?? Infinity))
  }
  if (firstOf.size === 0) return { firstAt: raceAt, lastAt: raceAt }
  const all = [...firstOf.values()]
  return { firstAt: least(all), lastAt: most(all) }
}

function raceNumbers({ holds, refusals }: Told, moments: Moments, sent: Sends): RaceNumbers {
  const { arrivalAt, raceAt, raceSettledAt } = moments
  const inRace = (at: number): boolean => at <= raceSettledAt
  const raceHolds = holds.filter(inRace)
  const raceRefusals = refusals.filter(inRace)
  const within = (all: readonly number[]): number =>
    all.length === 0 ? 0 : Math.max(1, most(all) - sent.firstAt)
  const rate = (all: readonly number[]): number =>
    all.length === 0 ? 0 : (all.length * 1000) / within(all)
  return {
    connectSeconds: (raceAt - arrivalAt) / 1000,
    sentWithinMs: sent.lastAt - sent.firstAt,
    answeredWithinMs: raceSettledAt - sent.firstAt,
    holds: raceHolds.length,
    holdsPerSecond: rate(raceHolds),
    refusals: raceRefusals.length,
    refusalsPerSecond: rate(raceRefusals),
    holdsWithinMs: within(raceHolds),
    refusalsWithinMs: within(raceRefusals),
  }
}

function inSlices(
  { holds, refusals }: Told,
  seconds: (at: number) => number,
): readonly SliceOfOutcomes[] {
  const slices = Array.from({ length: 1_000 / sliceMs }, (_, index) => ({
    fromMs: index * sliceMs,
    holds: 0,
    refusals: 0,
  }))
  const sliceOf = (at: number) => slices[Math.floor((seconds(at) * 1_000) / sliceMs)]
  for (const at of holds) {
    const slice = sliceOf(at)
    if (slice !== undefined) slice.holds += 1
  }
  for (const at of refusals) {
    const slice = sliceOf(at)
    if (slice !== undefined) slice.refusals += 1
  }
  return slices
}

function bySecond(
  { holds, refusals }: Told,
  seconds: (at: number) => number,
): readonly SecondOfOutcomes[] {
  const last = Math.floor(most([...holds, ...refusals].map(seconds)))
  const rows = Array.from({ length: last + 1 }, (_, second) => ({ second, holds: 0, refusals: 0 }))
  for (const at of holds) rows[Math.floor(seconds(at))]!.holds += 1
  for (const at of refusals) rows[Math.floor(seconds(at))]!.refusals += 1
  return rows
}

function outcomesOf(history: History): OutcomeRow[] {
  const rows = new Map<string, { race: number; comingBack: number }>()
  for (const one of history.tries) {
    const name = outcomeName(one)
    const row = rows.get(name) ?? { race: 0, comingBack: 0 }
    rows.set(name, row)
    row[one.phase === 'race' ? 'race' : 'comingBack'] += 1
  }
  return [...rows.keys()].sort().map((outcome) => ({ outcome, ...rows.get(outcome)! }))
}

const outcomeName = (one: Try): string =>
  one.code === null ? one.outcome : `${one.outcome}: ${one.code}`

function eventsOf(history: History): Summary['events'] {
  const { exchanges } = history
  const statusCount = (...statuses: readonly number[]): number =>
    exchanges.filter(({ status }) => status !== 'lost' && statuses.includes(status)).length
  const declined = exchanges.filter(({ status }) => status === 402).length
  return [
    { what: 'holds paid for', times: new Set(history.payments.map((one) => one.invoiceId)).size },
    { what: 'payments declined', times: declined },
    { what: 'holds released by their owner', times: history.releases.length },
    { what: 'abandoned holds seen to end', times: history.endings.length },
    { what: 'holds lost', times: history.losses.length },
    { what: 'told to wait (503, 429)', times: statusCount(503, 429) },
    { what: 'told to ask later (202)', times: statusCount(202) },
    { what: 'other 5xx', times: exchanges.filter(isFault).length },
    ...lostCounts(history),
    { what: 'bots left without an answer', times: unansweredBots(history) },
  ]
}

const isFault = ({ status }: History['exchanges'][number]): boolean =>
  status !== 'lost' && status >= 500 && status !== 503

const unansweredBots = (history: History): number =>
  new Set(history.unanswered.map((one) => one.bot)).size

/**
 * Counts lost answers by reason: a refused connection is another problem than a passed deadline.
 */
function lostCounts(history: History): { what: string; times: number }[] {
  const reasons = new Map<string, number>()
  for (const { status, code } of history.exchanges) {
    if (status === 'lost') reasons.set(code ?? '', (reasons.get(code ?? '') ?? 0) + 1)
  }
  if (reasons.size === 0) return [{ what: 'connections lost and asked again', times: 0 }]
  return [...reasons].map(([reason, times]) => ({
    what: `connections lost and asked again: ${reason}`,
    times,
  }))
}

function latenciesOf(history: History, { raceSettledAt }: Moments): Summary['latencies'] {
  const byStep = new Map<string, number[]>()
  for (const { step, status, sentAt, answeredAt } of history.exchanges) {
    if (status === 'lost') continue
    const name = rowName(step, sentAt <= raceSettledAt)
    const row = byStep.get(name)
    if (row === undefined) byStep.set(name, [answeredAt - sentAt])
    else row.push(answeredAt - sentAt)
  }
  const whole = history.tries.map(({ startedAt, settledAt }) => settledAt - startedAt)
  const names = new Set(steps.flatMap((step) => [rowName(step, true), rowName(step, false)]))
  return [
    ...[...names].map((name) => [name, byStep.get(name) ?? []] as const),
    ['add to cart, all clicks, retries and 202s', whole] as const,
  ].flatMap(([step, latencies]) => {
    const latency = latencyOf(latencies)
    return latency === null ? [] : [{ step, ...latency }]
  })
}

/** Returns the name of a row; steps in the race and after it have rows of their own. */
function rowName(step: Step, inRace: boolean): string {
  if (step !== 'add to cart') return step
  return inRace ? 'add to cart, race' : 'add to cart, coming back'
}

/** Makes both histograms with the same bin width, so that they can be compared. */
function raceHistograms(history: History, { raceSettledAt }: Moments): Summary['raceLatencies'] {
  const answered = history.exchanges.filter(
    ({ step, status, sentAt }) =>
      step === 'add to cart' && status !== 'lost' && sentAt <= raceSettledAt,
  )
  const latency = ({ sentAt, answeredAt }: History['exchanges'][number]): number =>
    answeredAt - sentAt
  const width = roundStep(most(answered.map(latency)), histogramBinsMax)
  const binsOf = (matches: (status: number) => boolean): Bin[] =>
    histogram(answered.filter(({ status }) => matches(Number(status))).map(latency), width)
  return {
    held: binsOf((status) => status === 201),
    refused: binsOf((status) => status === 404 || status === 409),
  }
}

/** Returns at most `most` rows at even distances, with the last one. */
function thinned<T>(rows: readonly T[], most: number): T[] {
  const step = Math.max(1, Math.ceil(rows.length / most))
  return rows.filter((_, index) => index % step === 0 || index === rows.length - 1)
}

const most = (numbers: readonly number[]): number =>
  numbers.reduce((highest, number) => Math.max(highest, number), 0)

const least = (numbers: readonly number[]): number =>
  numbers.reduce((lowest, number) => Math.min(lowest, number), Infinity)
