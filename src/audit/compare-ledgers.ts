import type { Clock } from '../clock.ts'
import { readMoneyBetween, readOverdue, type OurPayment } from './our-payments.ts'
import type { Database, Script } from '../db/database.ts'
import { readForgottenBetween } from '../db/forgotten-captures.ts'
import type { CapturedPayment, LedgerPage, PaymentLedger } from '../payments/ledger.ts'
import {
  isOtherMoney,
  ProviderUnavailableError,
  type PaymentProvider,
} from '../payments/provider.ts'

/**
 * The result of comparing our payments with the provider's ledger, page by page: each capture
 * belongs to one paid invoice or waits for a person, no capture is missing, and the amounts are
 * equal.
 */
export interface LedgerComparison {
  readonly disagreements: readonly Disagreement[]
  /** The number of all disagreements; the list above ends at 100. */
  readonly total: number
  /** Payments that are captured there and paid nothing here; the list ends at 1,000. */
  readonly strays: readonly CapturedPayment[]
  /**
   * Voids that the provider received for captured payments; undefined when it sent no page at all.
   */
  readonly voidsOfCaptured: number | undefined
  /**
   * The reason for ending early; earlier findings count. Undefined when everything was compared.
   */
  readonly endedEarly: string | undefined
}

export interface Disagreement {
  readonly problem:
    | 'captured_there_not_paid_here'
    | 'captured_here_not_there'
    | 'other_amount_or_invoice'
    | 'paid_here_not_to_be_captured_there'
    | 'stranded_here_unknown_there'
  readonly paymentId: string
  readonly invoiceId: string
  readonly amountMinor: number
  readonly currency: string
}

export interface CompareLedgersOptions {
  readonly database: Pick<Database, 'read'>
  readonly provider: ProviderBooks
  readonly clock: Clock
  /**
   * The comparison calls it before each question to the provider and ends early when it returns
   * false.
   */
  readonly mayContinue?: () => boolean
}

export type ProviderBooks = PaymentLedger & Pick<PaymentProvider, 'find'>

/** A push payment may have moved at the bank this long before the program hears of it. */
const graceMs = 60_000
/** Late money may wait this long: first for another attempt to end, then for the resolver. */
const lateGraceMs = 3_600_000
const overdueMax = 50
const listedMax = 100
/** A restored copy may have forgotten many; each audit finds the next thousand. */
const straysMax = 1_000
const afterAllIds = '\u{10ffff}'

export async function compareLedgers(options: CompareLedgersOptions): Promise<LedgerComparison> {
  const found = createFindings()
  const inTime = { ...options, provider: askInTime(options) }
  try {
    await comparePages(inTime, found)
    await compareOverdue(inTime, found)
    return { ...found.read(), endedEarly: undefined }
  } catch (error) {
    if (!endsEarly(error)) throw error
    return { ...found.read(), endedEarly: error.message }
  }
}

class EndedEarlyError extends Error {
  override readonly name = 'EndedEarlyError'
}

const endsEarly = (error: unknown): error is Error =>
  error instanceof EndedEarlyError || error instanceof ProviderUnavailableError

/**
 * Wraps the provider: once the time is over every question throws instead of waiting for an answer.
 */
function askInTime({ provider, mayContinue = () => true }: CompareLedgersOptions): ProviderBooks {
  function checkTime(): void {
    if (!mayContinue()) throw new EndedEarlyError('out of time')
  }
  return {
    async readLedger(after) {
      checkTime()
      return provider.readLedger(after)
    },
    async find(paymentId) {
      checkTime()
      return provider.find(paymentId)
    },
  }
}

interface Findings {
  add(problem: Disagreement['problem'], payment: OurPayment | CapturedPayment): void
  addStray(captured: CapturedPayment): void
  voidsOfCaptured(count: number): void
  read(): Omit<LedgerComparison, 'endedEarly'>
}

function createFindings(): Findings {
  const disagreements: Disagreement[] = []
  const strays: CapturedPayment[] = []
  let total = 0
  let voidsOfCaptured: number | undefined

  const add: Findings['add'] = (problem, { paymentId, invoiceId, amountMinor, currency }) => {
    total += 1
    if (disagreements.length >= listedMax) return
    disagreements.push({ problem, paymentId, invoiceId, amountMinor, currency })
  }

  return {
    add,
    addStray(captured) {
      add('captured_there_not_paid_here', captured)
      if (strays.length < straysMax) strays.push(captured)
    },
    voidsOfCaptured(count) {
      voidsOfCaptured = count
    },
    read: () => ({ disagreements, total, strays, voidsOfCaptured }),
  }
}

async function comparePages(options: CompareLedgersOptions, found: Findings): Promise<void> {
  const { database, provider } = options
  let after: string | undefined = ''
  while (after !== undefined) {
    // The provider's page is read first: a payment is paid here before it is captured there, so the
    // later read of ours has every payment of the page.
    const page: LedgerPage = await provider.readLedger(after)
    found.voidsOfCaptured(page.voidsOfCaptured)
    if (page.next !== undefined && !isAfter(page.next, after)) {
      throw new EndedEarlyError('its ledger repeats itself')
    }
    const [from, last] = [after, page.next ?? afterAllIds]
    const { ours, forgotten } = await database.read(() => readOurs(from, last))
    await comparePage(options, { theirs: page.captured, ours, forgotten }, found)
    after = page.next
  }
}

function* readOurs(after: string, last: string): Script<Pick<Pages, 'ours' | 'forgotten'>> {
  const ours = yield* readMoneyBetween(after, last)
  const forgotten = yield* readForgottenBetween(after, last)
  return { ours, forgotten }
}

/** Compares ids by their bytes, which is SQLite's order. */
const isAfter = (id: string, other: string): boolean =>
  Buffer.compare(Buffer.from(id), Buffer.from(other)) > 0

interface Pages {
  readonly theirs: readonly CapturedPayment[]
  readonly ours: readonly OurPayment[]
  /** On the attention list, or closed by a person: they are accounted for. */
  readonly forgotten: readonly CapturedPayment[]
}

async function comparePage(
  { provider, clock }: CompareLedgersOptions,
  { theirs, ours, forgotten }: Pages,
  found: Findings,
): Promise<void> {
  const oursById = new Map(ours.map((payment) => [payment.paymentId, payment]))
  const forgottenById = new Map(forgotten.map((capture) => [capture.paymentId, capture]))
  for (const captured of theirs) {
    const our = oursById.get(captured.paymentId)
    const listed = forgottenById.get(captured.paymentId)
    const known = our ?? listed
    oursById.delete(captured.paymentId)
    if (known !== undefined && !isSameMoney(known, captured)) {
      found.add('other_amount_or_invoice', captured)
    } else if (our === undefined && listed !== undefined) {
      continue
    } else if (!isAccountedFor(our, clock.now()) && captured.capturedAt <= clock.now() - graceMs) {
      found.addStray(captured)
    }
  }
  for (const our of oursById.values()) {
    // Nothing was to be paid, so the provider was not asked.
    if (our.amountMinor === 0) continue
    if (our.status !== 'captured' && our.status !== 'stranded') continue
    // The provider is asked again because the capture may be newer than its page. Stranded money
    // need not be captured; it only has to be known there.
    const known = await provider.find(our.paymentId)
    if (our.status === 'captured' && known?.status !== 'captured') {
      found.add('captured_here_not_there', our)
    }
    if (our.status === 'stranded' && known === undefined) {
      found.add('stranded_here_unknown_there', our)
    }
  }
}

function isSameMoney(our: OurPayment | CapturedPayment, captured: CapturedPayment): boolean {
  return (
    our.invoiceId === captured.invoiceId &&
    our.amountMinor === captured.amountMinor &&
    our.currency === captured.currency
  )
}

function isAccountedFor(our: OurPayment | undefined, now: number): boolean {
  switch (our?.status) {
    case 'authorized':
    case 'captured':
      return our.invoiceStatus === 'paid'
    case 'late':
      return our.invoiceEndedAt === null || our.invoiceEndedAt > now - lateGraceMs
    case 'stranded':
      return true
    case 'authorizing':
    case 'declined':
    case 'voided':
    case undefined:
      return false
  }
}

/**
 * Finds open attempts that the resolver can never settle: the provider has other money or none for
 * them.
 */
async function compareOverdue(
  { database, provider, clock }: CompareLedgersOptions,
  found: Findings,
): Promise<void> {
  const before = clock.now() - graceMs
  const overdue = await database.read(() => readOverdue(before, overdueMax + 1))
  for (const our of overdue.slice(0, overdueMax)) {
    const known = await provider.find(our.paymentId)
    const hasMoney = known?.status === 'authorized' || known?.status === 'captured'
    if (known !== undefined && isOtherMoney(known, our)) found.add('other_amount_or_invoice', our)
    else if (our.status === 'authorized' && !hasMoney) {
      found.add('paid_here_not_to_be_captured_there', our)
    }
  }
  if (overdue.length <= overdueMax) return
  throw new EndedEarlyError(`only ${overdueMax} of the payments not captured yet were asked for`)
}
