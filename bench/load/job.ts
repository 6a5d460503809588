/** What the load generator is asked to do and what it reports: the messages between the processes. */
export type Job = ClosedLoopJob | RaceJob | SoakJob

interface Target {
  /** Connections are dealt out evenly over these. */
  readonly origins: readonly string[]
  readonly tokensPath: string
  /** Tokens in the file. */
  readonly shoppers: number
  readonly flashSaleId: number
  /** Wanted in turn. */
  readonly productIds: readonly number[]
}

/** Every connection sends its next request when the last one is answered. */
export interface ClosedLoopJob extends Target {
  readonly kind: 'closed loop'
  readonly connections: number
  /** At least as many; the rest falls silent before the window opens. */
  readonly warmUpConnections: number
  readonly warmUpSeconds: number
  readonly seconds: number
  readonly demand: Demand
  /** `fresh`: each request is another shopper's. `returning`: so many take turns. */
  readonly visitors: 'fresh' | { readonly returning: number }
  readonly idempotencyKeys: 'sent' | 'none'
}

/** The only answer the workload allows. */
export interface Demand {
  readonly status: number
  /** Must be found in the body. */
  readonly marker: string
}

/** As many shoppers as there are, each on an own connection, all at once; winners may then pay. */
export interface RaceJob extends Target {
  readonly kind: 'race'
  readonly racers: number
  readonly then: 'pay' | 'leave'
}

/** Shoppers of every kind for a while: who pays, who puts back, who only lets the hold run out. */
export interface SoakJob extends Target {
  readonly kind: 'soak'
  /** From an answer to the next request, so that there is room for the crowds. */
  readonly thinkMs: number
  /** So many take turns. */
  readonly visitors: number
  readonly connections: number
  readonly seconds: number
  /** People who ask and vanish before they are answered; so many each time, in turn. */
  readonly crowds: readonly number[]
}

export interface Latency {
  /** Milliseconds from the first byte sent to the last byte received. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Answers by what they were: `201`, `409 sold_out`, … */
export type Answers = Readonly<Record<string, number>>

export interface LoadResult {
  /** Length of the measured window; of a race, until everybody was told. */
  readonly seconds: number
  /** Within the window. */
  readonly answers: Answers
  /** From the first request to the last answer, warm-up included. */
  readonly answersInAll: Answers
  readonly latency: Latency
  /** Answers the workload does not allow, broken connections, requests without an answer. */
  readonly faults: readonly string[]
  /** Told 202 first, and decided after that; only a race goes on asking. */
  readonly toldLater: number
  /** Only a race that goes on to pay. */
  readonly paying: Paying | undefined
}

export interface Paying {
  /** From the start of the race to the last paid invoice. */
  readonly seconds: number
  readonly paid: number
  /** Checkout and payment together. */
  readonly latency: Latency
}

/**
 * Generator to bench. The window's edges are told so that CPU times are read there; that of a race
 * closes when the last winner has paid.
 */
export type Report =
  | { readonly type: 'ready' }
  | { readonly type: 'window opens' }
  | { readonly type: 'window closes' }
  | { readonly type: 'done'; readonly result: LoadResult }

/** Bench to generator. */
export type Order = { readonly type: 'prepare'; readonly job: Job } | { readonly type: 'go' }
