/**
 * This file is a payment provider for development, tests and demonstrations. It keeps a ledger in
 * its own SQLite file (`ledger.ts`) and answers only from it. It never refunds, its ledger is
 * honest, and it misbehaves on request (`methods.ts`).
 */
import { wait, type Clock } from '../../clock.ts'
import type { Service } from '../../lifecycle.ts'
import type { PaymentLedger } from '../ledger.ts'
import {
  AlreadyCapturedError,
  ProviderUnavailableError,
  type Authorization,
  type PaymentOrder,
  type PaymentProvider,
} from '../provider.ts'
import {
  arrive,
  findPayment,
  markDelivered,
  moveMoney,
  recordAttempt,
  undeliveredEvents,
  voidPayment,
  type ProviderEvent,
} from './books.ts'
import { openLedgerFile, readPage, type LedgerFile } from './ledger.ts'
import { testMethod } from './methods.ts'

export interface SimulatedProviderOptions {
  /** The ledger's file; made when missing, its folder too. Several processes may share it. */
  readonly path: string
  readonly clock: Clock
  /** Spreads the retries of several processes; 0 ≤ random() < 1. */
  readonly random: () => number
  /** Runs a task after the arrivals of the current tick; setImmediate unless given. */
  readonly defer?: (task: () => void) => void
  /**
   * `pm_slow` takes this long, and `pm_capture_late` refuses captures this long. 3000 unless given.
   */
  readonly slowMs?: number
  /** The silent methods keep a caller waiting this long. 5000 unless given. */
  readonly silentMs?: number
}

export interface SimulatedProvider extends PaymentProvider, PaymentLedger, Service {
  /**
   * Lets the shopper's bank move the money of a push payment now, voided or not.
   * @throws Error when it is no push payment.
   */
  arrive(paymentId: string): Promise<void>
  /** Returns the events that no webhook has delivered yet, in their order. */
  undeliveredEvents(limit: number): Promise<readonly ProviderEvent[]>
  /** Notes that webhooks have delivered everything up to this `sequence`. */
  markDelivered(upTo: number): Promise<void>
}

/**
 * Makes the simulated provider. Before `start` and after `stop` every call throws
 * `ProviderUnavailableError`. `stop` waits for the calls under way, slow ones included, and is
 * final.
 */
export function createSimulatedProvider(options: SimulatedProviderOptions): SimulatedProvider {
  const { clock, slowMs = 3_000, silentMs = 5_000 } = options
  const inFlight = new Set<Promise<unknown>>()
  let file: LedgerFile | undefined
  let starting: Promise<void> | undefined
  let stopping: Promise<void> | undefined

  async function open(): Promise<void> {
    file = await openLedgerFile(options)
  }

  async function close(): Promise<void> {
    await Promise.allSettled([starting])
    await Promise.allSettled(inFlight)
    await file?.close()
  }

  function call<T>(task: (books: Books) => Promise<T>): Promise<T> {
    if (file === undefined || stopping !== undefined) {
      return Promise.reject(new ProviderUnavailableError('the payment simulator is not running'))
    }
    const answer = task({ ledger: file, clock, slowMs, silentMs })
    const forget = (): boolean => inFlight.delete(answer)
    inFlight.add(answer)
    answer.then(forget, forget)
    return answer
  }

  return {
    name: 'payment-simulator',
    start() {
      if (stopping !== undefined) return Promise.reject(new Error('stopped, and that is final'))
      return (starting ??= open())
    },
    stop: () => (stopping ??= close()),
    authorize: (order) => call((books) => authorize(books, order)),
    capture: (paymentId) => call((books) => capture(books, paymentId)),
    void: (paymentId) => call((books) => giveUp(books, paymentId)),
    find: (paymentId) =>
      call(({ ledger }) => ledger.read((connection) => findPayment(connection, paymentId))),
    readLedger: (afterPaymentId = '') =>
      call(({ ledger }) => ledger.read((connection) => readPage(connection, afterPaymentId))),
    arrive: (paymentId) => call((books) => push(books, paymentId)),
    undeliveredEvents: (limit) =>
      call(({ ledger }) => ledger.read((connection) => undeliveredEvents(connection, limit))),
    markDelivered: (upTo) =>
      call(({ ledger }) =>
        ledger.write((connection) => {
          markDelivered(connection, upTo)
        }),
      ),
  }
}

/** The open ledger and the delays of the simulator. */
interface Books {
  readonly ledger: LedgerFile
  readonly clock: Clock
  readonly slowMs: number
  readonly silentMs: number
}

async function authorize(books: Books, order: PaymentOrder): Promise<Authorization> {
  assertOrder(order)
  switch (testMethod(order.method).behaviour) {
    case 'prompt':
    case 'captures_late':
    case 'loses_capture_answer':
      return decide(books, order)
    case 'slow':
      await wait(books.clock, books.slowMs)
      return decide(books, order)
    case 'silent_before':
      return beSilent(books)
    case 'silent_after':
      await decide(books, order)
      return beSilent(books)
    case 'loses_answer':
      await decide(books, order)
      throw new ProviderUnavailableError('the answer was lost')
    case 'answers_twice':
      await decide(books, order)
      return decide(books, order)
  }
}

async function beSilent({ clock, silentMs }: Books): Promise<never> {
  await wait(clock, silentMs)
  throw new ProviderUnavailableError('no answer in time')
}

async function decide(books: Books, order: PaymentOrder): Promise<Authorization> {
  const { authorization } = testMethod(order.method)
  const attempt = { order, authorization, at: books.clock.now() }
  const outcome = await books.ledger.write((connection) => recordAttempt(connection, attempt))
  if (outcome.kind !== 'refused') return outcome
  throw new Error(`payment ${order.paymentId} was ordered with another amount or invoice`)
}

async function capture(books: Books, paymentId: string): Promise<void> {
  const wanted = { paymentId, at: books.clock.now(), lateMs: books.slowMs }
  const result = await books.ledger.write((connection) => moveMoney(connection, wanted))
  if (result === 'refused') throw new Error(`payment ${paymentId} is not authorised`)
  if (result === 'captured_unsaid') throw new ProviderUnavailableError('the answer was lost')
  if (result === 'pending') throw new ProviderUnavailableError('the money has not moved yet')
}

async function giveUp(books: Books, paymentId: string): Promise<void> {
  const at = books.clock.now()
  const result = await books.ledger.write((connection) => voidPayment(connection, paymentId, at))
  if (result === 'voided' || result === 'unchanged') return
  throw new AlreadyCapturedError(`payment ${paymentId} is captured`)
}

async function push(books: Books, paymentId: string): Promise<void> {
  const at = books.clock.now()
  const result = await books.ledger.write((connection) => arrive(connection, paymentId, at))
  if (result === 'refused') throw new Error(`payment ${paymentId} is no push payment`)
}

/** Checks an order; the CHECKs of the schema repeat these rules. */
function assertOrder({ paymentId, invoiceId, amountMinor, currency }: PaymentOrder): void {
  if (paymentId === '' || invoiceId === '') throw new Error('a payment needs an id and an invoice')
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 0) {
    throw new Error(`not an amount in minor units: ${amountMinor}`)
  }
  if (!/^[A-Z]{3}$/.test(currency)) throw new Error(`not an ISO currency: ${currency}`)
}
