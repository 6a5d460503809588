import type { Step, Stock } from './contract.ts'

/**
 * What the bots saw, in the order they saw it. Rows are only ever added. Times are `now()` of this
 * process, except those named `expiresAt` and `dueAt`, which are the server's.
 */
export interface History {
  readonly exchanges: Exchange[]
  readonly keyedAnswers: KeyedAnswer[]
  readonly tries: Try[]
  readonly holds: Hold[]
  readonly releases: Release[]
  readonly carts: CartLook[]
  readonly invoices: ToldInvoice[]
  readonly payments: ToldPaid[]
  readonly losses: Loss[]
  readonly endings: Ending[]
  readonly overstays: Overstay[]
  readonly unanswered: Unanswered[]
  readonly unexpected: Unexpected[]
  readonly stock: StockSample[]
}

/** One HTTP request. `lost`: the connection broke or the deadline passed. */
export interface Exchange {
  readonly step: Step
  /** Null: nobody of the crowd. */
  readonly bot: number | null
  readonly sentAt: number
  readonly answeredAt: number
  readonly status: number | 'lost'
  /** Of the problem, or of the error that lost the answer. */
  readonly code: string | null
  readonly retryAfter: 'said' | 'missing'
}

/** An answer to a request that carried an Idempotency-Key. */
export interface KeyedAnswer {
  readonly step: Step
  /** User, route and key: what the server must recognise. */
  readonly scope: string
  readonly sentAt: number
  readonly answeredAt: number
  readonly outcome: 'accepted' | 'refused'
  /** What the answer is about: the reservation, the invoice and payment, or the refusal's code. */
  readonly identity: string
  /** Status and body as they came; null where the answer came by way of a 202. */
  readonly verbatim: string | null
}

/** One add-to-cart of a bot, up to its final answer. */
export interface Try {
  readonly bot: number
  readonly phase: 'race' | 'return'
  readonly quantity: number
  readonly startedAt: number
  readonly settledAt: number
  readonly outcome: 'held' | 'refused' | 'unanswered'
  readonly code: string | null
}

export interface Hold {
  readonly bot: number
  readonly reservationId: string
  readonly quantity: number
  readonly toldAt: number
  readonly expiresAt: number
}

export interface Release {
  readonly reservationId: string
  readonly sentAt: number
  readonly answeredAt: number
}

/** What a bot found in its cart: the units that were still held for it. */
export interface CartLook {
  readonly bot: number
  readonly sentAt: number
  readonly answeredAt: number
  readonly items: readonly { readonly reservationId: string; readonly quantity: number }[]
}

/** Repeated when a later answer shows another `dueAt`. */
export interface ToldInvoice {
  readonly bot: number
  readonly invoiceId: string
  readonly reservationIds: readonly string[]
  readonly dueAt: number
  /** When the checkout, or the look at the invoice, was sent. */
  readonly askedAt: number
}

export interface ToldPaid {
  readonly bot: number
  readonly invoiceId: string
  /** Null when the bot learned it by looking at the invoice. */
  readonly paymentId: string | null
}

/** A bot was told that its hold is gone. */
export interface Loss {
  readonly reservationId: string
  readonly code: string
  readonly sentAt: number
  readonly answeredAt: number
}

/** The server was seen to have ended an abandoned hold. */
export interface Ending {
  readonly reservationId: string
  readonly seenAt: number
}

/** The server was asked at `askedAt` and still held what nobody had paid for. */
export interface Overstay {
  readonly reservationId: string
  readonly askedAt: number
}

export interface Unanswered {
  readonly bot: number
  readonly step: Step
  readonly why: string
}

export interface Unexpected {
  readonly step: Step
  readonly what: string
}

export interface StockSample extends Stock {
  readonly sentAt: number
  readonly answeredAt: number
}

export function emptyHistory(): History {
  return {
    exchanges: [],
    keyedAnswers: [],
    tries: [],
    holds: [],
    releases: [],
    carts: [],
    invoices: [],
    payments: [],
    losses: [],
    endings: [],
    overstays: [],
    unanswered: [],
    unexpected: [],
    stock: [],
  }
}
