/** A job of the load generator. This file has all messages between it and the bench. */
export type Job = ClosedLoopJob | RaceJob | SoakJob

interface Target {
  /** The connections are spread evenly over these origins. */
  readonly origins: readonly string[]
  readonly tokensPath: string
  /** Tokens in the file. */
  readonly shoppers: number
  readonly flashSaleId: number
  /** The products, requested in turn. */
  readonly productIds: readonly number[]
}

/** Every connection sends its next request when the last one is answered. */
export interface ClosedLoopJob extends Target {
  readonly kind: 'closed loop'
  readonly connections: number
  /**
   * The connections of the warm-up, at least as many; the additional ones stop before the window
   * opens.
   */
  readonly warmUpConnections: number
  readonly warmUpSeconds: number
  readonly seconds: number
  readonly demand: Demand
  /**
   * `fresh`: each request comes from another shopper. `returning`: this many shoppers take turns.
   */
  readonly visitors: 'fresh' | { readonly returning: number }
  readonly idempotencyKeys: 'sent' | 'none'
}

/** The only answer the workload allows. */
export interface Demand {
  readonly status: number
  /** Must be found in the body. */
  readonly marker: string
}

/** All shoppers ask at once, each on a connection of its own; winners may then pay. */
export interface RaceJob extends Target {
  readonly kind: 'race'
  readonly racers: number
  readonly then: 'pay' | 'leave'
}

/** Shoppers of every kind for a while: some pay, some put back, some let the hold expire. */
export interface SoakJob extends Target {
  readonly kind: 'soak'
  /** The pause from an answer to the next request, so that there is room for the crowds. */
  readonly thinkMs: number
  /** This many shoppers take turns. */
  readonly visitors: number
  readonly connections: number
  readonly seconds: number
  /** The sizes of the crowds that ask and vanish before they are answered, in turn. */
  readonly crowds: readonly number[]
}

export interface Latency {
  /** Milliseconds from the first byte sent to the last byte received. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** The number of answers by status and code: `201`, `409 sold_out`, … */
export type Answers = Readonly<Record<string, number>>

export interface LoadResult {
  /** Length of the measured window; of a race, until everybody was told. */
  readonly seconds: number
  /** The answers within the window. */
  readonly answers: Answers
  /** The answers from the first request to the last, warm-up included. */
  readonly answersInAll: Answers
  readonly latency: Latency
  /** Answers the workload does not allow, broken connections, requests without an answer. */
  readonly faults: readonly string[]
  /** The requests that got 202 first and were decided later; only a race asks for their outcome. */
  readonly toldLater: number
  /** The payments of the winners; only for a race whose winners pay. */
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
 * A message from the generator to the bench. It reports the edges of the window, where the bench
 * reads CPU times; the window of a race closes when the last winner has paid.
 */
export type Report =
  | { readonly type: 'ready' }
  | { readonly type: 'window opens' }
  | { readonly type: 'window closes' }
  | { readonly type: 'done'; readonly result: LoadResult }

/** A message from the bench to the generator. */
export type Order = { readonly type: 'prepare'; readonly job: Job } | { readonly type: 'go' }
