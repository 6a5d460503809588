import { createRandom, pick } from '../support/random.ts'

/**
 * The parameters of a run, drawn from its seed: processes, products, shoppers, and how often each
 * fault happens.
 */
export interface Plan {
  readonly seed: number
  readonly nodes: readonly NodePlan[]
  readonly routing: 'channel-per-product' | 'topic-per-product'
  readonly products: readonly ProductPlan[]
  readonly holdSeconds: number
  readonly shoppers: number
  readonly stormMs: number
  readonly faults: Faults
  /** The probability of a kill at each crash point that a process passes. */
  readonly crashes: Readonly<Partial<Record<CrashPoint, number>>>
}

export interface NodePlan {
  readonly name: string
  readonly role: 'all' | 'api' | 'worker'
}

export interface ProductPlan {
  readonly stock: number
  readonly priceMinor: number
  readonly purchaseLimit: number | undefined
}

/** The places where a process may be killed. */
export const crashPoints = [
  ...(['before commit', 'after commit', 'before publish', 'after publish'] as const),
  ...(['before finish', 'after finish', 'before authorise', 'after authorise'] as const),
  ...(['before capture', 'after capture', 'before void', 'after void'] as const),
] as const
export type CrashPoint = (typeof crashPoints)[number]

/** Probabilities of faults, 0 to 1: per occasion, or per second for those named `…PerSecond`. */
export interface Faults {
  readonly publishLost: number
  readonly publishAnswerLost: number
  readonly messageDropped: number
  readonly messageDelayed: number
  readonly messageTwice: number
  readonly reorder: number
  readonly finishLost: number
  readonly brokerKilledPerSecond: number
  readonly databaseUnavailable: number
  readonly providerCallLost: number
  readonly providerAnswerLost: number
  readonly providerSlow: number
  readonly providerDownPerSecond: number
  readonly pausePerSecond: number
  readonly replyLost: number
  readonly webhookLost: number
  readonly webhookTwice: number
  readonly webhookForged: number
  readonly garbagePerSecond: number
  readonly lag: number
}

export const noFaults: Faults = {
  publishLost: 0,
  publishAnswerLost: 0,
  messageDropped: 0,
  messageDelayed: 0,
  messageTwice: 0,
  reorder: 0,
  finishLost: 0,
  brokerKilledPerSecond: 0,
  databaseUnavailable: 0,
  providerCallLost: 0,
  providerAnswerLost: 0,
  providerSlow: 0,
  providerDownPerSecond: 0,
  pausePerSecond: 0,
  replyLost: 0,
  webhookLost: 0,
  webhookTwice: 0,
  webhookForged: 0,
  garbagePerSecond: 0,
  lag: 0,
}

/** The maximum of each fault. A run has about half of them, each with a share of this value. */
const worst: Faults = {
  publishLost: 0.1,
  publishAnswerLost: 0.1,
  messageDropped: 0.15,
  messageDelayed: 0.3,
  messageTwice: 0.3,
  reorder: 0.5,
  finishLost: 0.4,
  brokerKilledPerSecond: 0.15,
  databaseUnavailable: 0.05,
  providerCallLost: 0.2,
  providerAnswerLost: 0.2,
  providerSlow: 0.4,
  providerDownPerSecond: 0.15,
  pausePerSecond: 0.15,
  replyLost: 0.15,
  webhookLost: 0.5,
  webhookTwice: 0.5,
  webhookForged: 0.3,
  garbagePerSecond: 0.3,
  lag: 0.1,
}

const layouts: readonly [readonly NodePlan[], ...(readonly NodePlan[])[]] = [
  [{ name: 'shop', role: 'all' }],
  [{ name: 'shop', role: 'all' }],
  [
    { name: 'front', role: 'api' },
    { name: 'back', role: 'worker' },
  ],
  [
    { name: 'front-1', role: 'api' },
    { name: 'front-2', role: 'api' },
    { name: 'back-1', role: 'worker' },
    { name: 'back-2', role: 'worker' },
  ],
]

/**
 * The plan has a random stream of its own, so that a change here does not change what the run draws
 * later.
 */
const planStream = 0x51ed270b

export function planOf(seed: number): Plan {
  const random = createRandom(seed ^ planStream)
  const between = (low: number, high: number): number =>
    low + Math.floor(random() * (high - low + 1))
  return {
    seed,
    nodes: pick(random, layouts),
    routing: pick(random, ['channel-per-product', 'topic-per-product']),
    products: Array.from({ length: between(1, 2) }, () => ({
      stock: between(1, 6),
      priceMinor: between(1, 50) * 100,
      purchaseLimit: random() < 0.5 ? between(1, 3) : undefined,
    })),
    holdSeconds: between(3, 10),
    shoppers: between(3, 9),
    // Some storms are long enough for the resolver, which takes up attempts after 15 s.
    stormMs: between(8, 26) * 1_000,
    faults: drawFaults(random),
    crashes: drawCrashes(random),
  }
}

function drawFaults(random: () => number): Faults {
  const drawn = Object.entries(worst).map(([name, most]) => {
    const rate = random() < 0.5 ? 0 : Number(most) * random() ** 2
    return [name, rate]
  })
  return Object.fromEntries(drawn) as Faults
}

function drawCrashes(random: () => number): Plan['crashes'] {
  const drawn = crashPoints
    .filter((point) => random() < (isRare(point) ? 0.5 : 0.25))
    .map((point) => [
      point,
      isRare(point) ? random() : random() ** 2 * (isBusy(point) ? 0.03 : 0.5),
    ])
  return Object.fromEntries(drawn) as Plan['crashes']
}

/** Tells whether every message passes this point. */
const isBusy = (point: CrashPoint): boolean => /commit|publish|finish/.test(point)
/** Tells whether only attempts that are given up pass this point. */
const isRare = (point: CrashPoint): boolean => point.includes('void')
