import type { Clock } from '../clock.ts'
import { readMoneyBetween, readUncaptured, type OurPayment } from '../db/captured-payments.ts'
import type { Database } from '../db/database.ts'
import type { CapturedPayment, LedgerPage, PaymentLedger } from './ledger.ts'
import { ProviderUnavailableError, type PaymentProvider } from './provider.ts'

/**
 * Our books against the provider's, payment by payment, in pages: each capture belongs to one paid
 * invoice or waits for a person, none is missing, and amounts are the same.
 */
export interface LedgerComparison {
  readonly disagreements: readonly Disagreement[]
  /** Counted, beyond those listed. */
  readonly total: number
  /** Undefined when not even one page of theirs was read. */
  readonly voidsOfCaptured: number | undefined
  /** Why; what was found until then counts. Undefined: everything was compared. */
  readonly endedEarly: string | undefined
}

export interface Disagreement {
  readonly problem:
    | 'captured_there_not_paid_here'
    | 'captured_here_not_there'
    | 'other_amount_or_invoice'
    | 'paid_here_not_to_be_captured_there'
  readonly paymentId: string
  readonly invoiceId: string
  readonly amountMinor: number
  readonly currency: string
}

export interface CompareLedgersOptions {
  readonly database: Pick<Database, 'read'>
  readonly provider: ProviderBooks
  readonly clock: Clock
  /** Asked before each question to the provider; false ends the comparison early. */
  readonly goesOn?: () => boolean
}

export type ProviderBooks = PaymentLedger & Pick<PaymentProvider, 'find'>

/** Between the bank's moving a push payment and our hearing of it. */
const graceMs = 60_000
const uncapturedMax = 50
const listedMax = 100
const afterAllIds = '\u{10ffff}'

export async function compareLedgers(options: CompareLedgersOptions): Promise<LedgerComparison> {
  const found = createFindings()
  const inTime = { ...options, provider: askInTime(options) }
  try {
    await comparePages(inTime, found)
    await compareUncaptured(inTime, found)
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

/** Each answer may take as long as the provider likes: when the time is over it is not asked. */
function askInTime({ provider, goesOn = () => true }: CompareLedgersOptions): ProviderBooks {
  function checkTime(): void {
    if (!goesOn()) throw new EndedEarlyError('out of time')
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
  voidsOfCaptured(count: number): void
  read(): Omit<LedgerComparison, 'endedEarly'>
}

function createFindings(): Findings {
  const disagreements: Disagreement[] = []
  let total = 0
  let voidsOfCaptured: number | undefined
  return {
    add(problem, { paymentId, invoiceId, amountMinor, currency }) {
      total += 1
      if (disagreements.length >= listedMax) return
      disagreements.push({ problem, paymentId, invoiceId, amountMinor, currency })
    },
    voidsOfCaptured(count) {
      voidsOfCaptured = count
    },
    read: () => ({ disagreements, total, voidsOfCaptured }),
  }
}

async function comparePages(options: CompareLedgersOptions, found: Findings): Promise<void> {
  const { database, provider } = options
  let after: string | undefined = ''
  while (after !== undefined) {
    // Theirs first: what is captured there was paid here before.
    const page: LedgerPage = await provider.readLedger(after)
    found.voidsOfCaptured(page.voidsOfCaptured)
    const [from, last] = [after, page.next ?? afterAllIds]
    const ours = await database.read(() => readMoneyBetween(from, last))
    await comparePage(options, { theirs: page.captured, ours }, found)
    after = page.next
  }
}

interface Pages {
  readonly theirs: readonly CapturedPayment[]
  readonly ours: readonly OurPayment[]
}

async function comparePage(
  { provider, clock }: CompareLedgersOptions,
  { theirs, ours }: Pages,
  found: Findings,
): Promise<void> {
  const oursById = new Map(ours.map((payment) => [payment.paymentId, payment]))
  for (const captured of theirs) {
    const our = oursById.get(captured.paymentId)
    oursById.delete(captured.paymentId)
    if (our !== undefined && !isSameMoney(our, captured)) {
      found.add('other_amount_or_invoice', captured)
    } else if (!isAccountedFor(our) && captured.capturedAt <= clock.now() - graceMs) {
      found.add('captured_there_not_paid_here', captured)
    }
  }
  for (const our of oursById.values()) {
    if (our.status !== 'captured') continue
    // It may have been captured since their page was read.
    const known = await provider.find(our.paymentId)
    if (known?.status !== 'captured') found.add('captured_here_not_there', our)
  }
}

function isSameMoney(our: OurPayment, captured: CapturedPayment): boolean {
  return (
    our.invoiceId === captured.invoiceId &&
    our.amountMinor === captured.amountMinor &&
    our.currency === captured.currency
  )
}

function isAccountedFor(our: OurPayment | undefined): boolean {
  switch (our?.status) {
    case 'authorized':
    case 'captured':
      return our.invoiceStatus === 'paid'
    case 'late':
    case 'stranded':
      return true
    case 'authorizing':
    case 'declined':
    case 'voided':
    case undefined:
      return false
  }
}

/** A capture that is late is tried until it is confirmed; one that can never be is found here. */
async function compareUncaptured(
  { database, provider, clock }: CompareLedgersOptions,
  found: Findings,
): Promise<void> {
  const paidBefore = clock.now() - graceMs
  const uncaptured = await database.read(() => readUncaptured(paidBefore, uncapturedMax + 1))
  for (const our of uncaptured.slice(0, uncapturedMax)) {
    const known = await provider.find(our.paymentId)
    if (known?.status === 'authorized' || known?.status === 'captured') continue
    found.add('paid_here_not_to_be_captured_there', our)
  }
  if (uncaptured.length <= uncapturedMax) return
  throw new EndedEarlyError(`only ${uncapturedMax} of the payments not captured yet were asked for`)
}
