/**
 * A payment provider for development, tests and demonstrations. It receives what the port says,
 * keeps its own books in its own SQLite file (`simulated-ledger.ts`) and answers from them alone.
 * It never refunds, and it is honest: one that misbehaves wraps this one.
 */
import { wait, type Clock } from '../clock.ts'
import type { Service } from '../lifecycle.ts'
import type { PaymentLedger } from './ledger.ts'
import {
  AlreadyCapturedError,
  ProviderUnavailableError,
  type Authorization,
  type PaymentOrder,
  type PaymentProvider,
  type ProviderPayment,
} from './provider.ts'
import {
  openLedgerFile,
  readPage,
  type LedgerConnection,
  type LedgerFile,
} from './simulated-ledger.ts'

export interface TestMethod {
  readonly answers: 'at_once' | 'after_slow_ms'
  readonly authorization: Authorization
}

/** The payment methods it knows. Any other is declined with `unknown_payment_method`. */
export const testMethods: ReadonlyMap<string, TestMethod> = new Map<string, TestMethod>([
  ['pm_ok', { answers: 'at_once', authorization: { kind: 'authorized' } }],
  ['pm_declined', { answers: 'at_once', authorization: declined('card_declined') }],
  ['pm_insufficient_funds', { answers: 'at_once', authorization: declined('insufficient_funds') }],
  ['pm_slow', { answers: 'after_slow_ms', authorization: { kind: 'authorized' } }],
])

const unknownMethod: TestMethod = {
  answers: 'at_once',
  authorization: declined('unknown_payment_method'),
}

export interface SimulatedProviderOptions {
  /** The ledger's file; made when missing, its folder too. Several processes may share it. */
  readonly path: string
  readonly clock: Clock
  /** How long `pm_slow` takes. 3000 unless given. */
  readonly slowMs?: number
}

export type SimulatedProvider = PaymentProvider & PaymentLedger & Service

/**
 * Before `start` and after `stop` every call throws `ProviderUnavailableError`. `stop` waits for
 * the calls under way, slow ones included, and is final.
 */
export function createSimulatedProvider(options: SimulatedProviderOptions): SimulatedProvider {
  const { clock, slowMs = 3_000 } = options
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
    file?.close()
  }

  function call<T>(task: (ledger: LedgerFile) => Promise<T>): Promise<T> {
    if (file === undefined || stopping !== undefined) {
      return Promise.reject(new ProviderUnavailableError('the payment simulator is not running'))
    }
    const answer = task(file)
    const forget = (): boolean => inFlight.delete(answer)
    inFlight.add(answer)
    answer.then(forget, forget)
    return answer
  }

  async function authorize(ledger: LedgerFile, order: PaymentOrder): Promise<Authorization> {
    assertOrder(order)
    const { answers, authorization } = testMethods.get(order.method) ?? unknownMethod
    if (answers === 'after_slow_ms') await wait(clock, slowMs)
    const attempt = { order, authorization, at: clock.now() }
    const outcome = await ledger.write((connection) => recordAttempt(connection, attempt))
    if (outcome.kind !== 'refused') return outcome
    throw new Error(`payment ${order.paymentId} was ordered with another amount or invoice`)
  }

  async function capture(ledger: LedgerFile, paymentId: string): Promise<void> {
    const at = clock.now()
    const result = await ledger.write((connection) => moveMoney(connection, paymentId, at))
    if (result === 'refused') throw new Error(`payment ${paymentId} is not authorised`)
  }

  async function giveUp(ledger: LedgerFile, paymentId: string): Promise<void> {
    const at = clock.now()
    const result = await ledger.write((connection) => voidPayment(connection, paymentId, at))
    if (result !== 'already_captured') return
    throw new AlreadyCapturedError(`payment ${paymentId} is captured`)
  }

  return {
    name: 'payment-simulator',
    start() {
      if (stopping !== undefined) return Promise.reject(new Error('stopped, and that is final'))
      return (starting ??= open())
    },
    stop: () => (stopping ??= close()),
    authorize: (order) => call((ledger) => authorize(ledger, order)),
    capture: (paymentId) => call((ledger) => capture(ledger, paymentId)),
    void: (paymentId) => call((ledger) => giveUp(ledger, paymentId)),
    find: (paymentId) =>
      call((ledger) => ledger.read((connection) => findPayment(connection, paymentId))),
    readLedger: (afterPaymentId = '') =>
      call((ledger) => ledger.read((connection) => readPage(connection, afterPaymentId))),
  }
}

interface Attempt {
  readonly order: PaymentOrder
  readonly authorization: Authorization
  /** Epoch ms. */
  readonly at: number
}

const insertPayment = `
  insert into payments (payment_id, invoice_id, amount_minor, currency, method, status,
    decline_code, created_at, updated_at)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (payment_id) do nothing`

/** The first to come decides; whoever comes later gets the answer that is on record. */
function recordAttempt(
  connection: LedgerConnection,
  { order, authorization, at }: Attempt,
): Authorization | { readonly kind: 'refused' } {
  const { paymentId, invoiceId, amountMinor, currency, method } = order
  const declineCode = authorization.kind === 'declined' ? authorization.code : null
  const ordered = [paymentId, invoiceId, amountMinor, currency, method] as const
  const inserted = connection.run(
    insertPayment,
    ...ordered,
    authorization.kind,
    declineCode,
    at,
    at,
  )
  if (inserted === 1) {
    log(connection, { paymentId, operation: 'authorize', result: authorization.kind, at })
    return authorization
  }
  const payment = knownPayment(connection, paymentId)
  if (payment === undefined) throw new Error(`payment ${paymentId} was neither made nor found`)
  const refused = contradicts(payment, order)
  const result = refused ? 'refused' : 'unchanged'
  log(connection, { paymentId, operation: 'authorize', result, at })
  return refused ? { kind: 'refused' } : answerOf(payment)
}

/** A payment known only from its void has no order to contradict. */
function contradicts(payment: PaymentRow, order: PaymentOrder): boolean {
  if (payment.invoiceId === null) return false
  return (
    payment.invoiceId !== order.invoiceId ||
    payment.amountMinor !== order.amountMinor ||
    payment.currency !== order.currency
  )
}

function answerOf(payment: PaymentRow): Authorization {
  switch (payment.status) {
    case 'authorized':
    case 'captured':
      return { kind: 'authorized' }
    case 'declined':
      return declined(payment.declineCode ?? 'card_declined')
    case 'voided':
      return declined('voided')
  }
}

const captureAuthorized = `
  update payments set status = 'captured', updated_at = ?
  where payment_id = ? and status = 'authorized'`

function moveMoney(
  connection: LedgerConnection,
  paymentId: string,
  at: number,
): 'captured' | 'unchanged' | 'refused' {
  const moved = connection.run(captureAuthorized, at, paymentId) === 1
  const repeated = !moved && knownPayment(connection, paymentId)?.status === 'captured'
  const result = moved ? 'captured' : repeated ? 'unchanged' : 'refused'
  log(connection, { paymentId, operation: 'capture', result, at })
  return result
}

/** An unknown payment is put on record as voided, so that no authorisation can come later. */
const voidUnlessFinal = `
  insert into payments (payment_id, status, created_at, updated_at)
  values (?, 'voided', ?, ?)
  on conflict (payment_id) do update set status = 'voided', updated_at = excluded.updated_at
  where payments.status = 'authorized'`

function voidPayment(
  connection: LedgerConnection,
  paymentId: string,
  at: number,
): 'voided' | 'unchanged' | 'already_captured' {
  const voided = connection.run(voidUnlessFinal, paymentId, at, at) === 1
  const tooLate = !voided && knownPayment(connection, paymentId)?.status === 'captured'
  const result = voided ? 'voided' : tooLate ? 'already_captured' : 'unchanged'
  log(connection, { paymentId, operation: 'void', result, at })
  return result
}

interface PaymentRow {
  readonly invoiceId: string | null
  readonly amountMinor: number | null
  readonly currency: string | null
  readonly status: ProviderPayment['status']
  readonly declineCode: string | null
}

const selectPayment = `
  select invoice_id as "invoiceId", amount_minor as "amountMinor", currency, status,
    decline_code as "declineCode"
  from payments
  where payment_id = ?`

function knownPayment(connection: LedgerConnection, paymentId: string): PaymentRow | undefined {
  const [payment] = connection.all(selectPayment, paymentId) as readonly PaymentRow[]
  return payment
}

/** ISO 4217 for "no currency": the port wants one even for a payment known only from its void. */
const noCurrency = 'XXX'

function findPayment(connection: LedgerConnection, paymentId: string): ProviderPayment | undefined {
  const payment = knownPayment(connection, paymentId)
  if (payment === undefined) return undefined
  const { status, declineCode, amountMinor, currency } = payment
  const money = { amountMinor: amountMinor ?? 0, currency: currency ?? noCurrency }
  return { paymentId, status, declineCode, ...money }
}

/** What was asked and what it did. `unchanged` repeated an earlier answer, `refused` threw. */
interface Operation {
  readonly paymentId: string
  readonly operation: 'authorize' | 'capture' | 'void'
  readonly result: ProviderPayment['status'] | 'unchanged' | 'refused' | 'already_captured'
  readonly at: number
}

const insertOperation = `
  insert into operations (payment_id, operation, result, at) values (?, ?, ?, ?)`

function log(connection: LedgerConnection, { paymentId, operation, result, at }: Operation): void {
  connection.run(insertOperation, paymentId, operation, result, at)
}

/** The schema's CHECKs say the same again. */
function assertOrder({ paymentId, invoiceId, amountMinor, currency }: PaymentOrder): void {
  if (paymentId === '' || invoiceId === '') throw new Error('a payment needs an id and an invoice')
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 0) {
    throw new Error(`not an amount in minor units: ${amountMinor}`)
  }
  if (!/^[A-Z]{3}$/.test(currency)) throw new Error(`not an ISO currency: ${currency}`)
}

function declined(code: string): Authorization {
  return { kind: 'declined', code }
}
