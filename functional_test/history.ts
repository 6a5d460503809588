import type { Step, Stock } from './contract.ts'

/**
 * The history of all bots in order. Rows are only added. Times are `now()` of this process, except
 * `expiresAt` and `dueAt`, which are the server's.
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
  /** The index of the bot; null when no bot sent it. */
  readonly bot: number | null
  readonly sentAt: number
  readonly answeredAt: number
  readonly status: number | 'lost'
  /** The code of the problem, or of the error that lost the answer. */
  readonly code: string | null
  readonly retryAfter: 'said' | 'missing'
}

/** An answer to a request that carried an Idempotency-Key. */
export interface KeyedAnswer {
  readonly step: Step
  /** User, route and key, by which the server must recognise a repetition. */
  readonly scope: string
  readonly sentAt: number
  readonly answeredAt: number
  readonly outcome: 'accepted' | 'refused'
  /** The reservation, the invoice and payment, or the refusal's code in the answer. */
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

/** The units that a bot found in its cart. */
export interface CartLook {
  readonly bot: number
  readonly sentAt: number
  readonly answeredAt: number
  readonly items: readonly { readonly reservationId: string; readonly quantity: number }[]
}

/**
 * An invoice that a bot was told; there is a further row when a later answer has another `dueAt`.
 */
export interface ToldInvoice {
  readonly bot: number
  readonly invoiceId: string
  readonly reservationIds: readonly string[]
  readonly dueAt: number
  /** The time when the checkout, or the read of the invoice, was sent. */
  readonly askedAt: number
}

export interface ToldPaid {
  readonly bot: number
  readonly invoiceId: string
  /** The id of the payment; null when the bot learned it from the invoice. */
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

/** The server was asked at `askedAt` and still held units that nobody had paid for. */
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
