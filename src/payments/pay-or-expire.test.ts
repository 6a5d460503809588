import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../clock.ts'
import { createExpireHolds } from '../cron/expire-holds.ts'
import { createResolvePayments } from '../cron/resolve-payments.ts'
import { checkOut } from '../db/checkout.ts'
import type { Database } from '../db/database.ts'
import { beginPayment } from '../db/payments/begin-payment.ts'
import { reserveBatch } from '../db/reserve/reserve-batch.ts'
import { createMetrics } from '../metrics.ts'
import {
  loseAnswer,
  loseCall,
  openPaymentFixture,
  orderOf,
  silentLogger,
  type PaymentFixture,
} from '../../test/support/payment-fixture.ts'
import type { Offer } from '../../test/support/sale-fixture.ts'
import { createRandom, pick } from '../../test/support/random.ts'
import { testSeed } from '../../test/support/seed.ts'
import { takeTurns, type Step } from '../../test/support/turns.ts'
import { createPaymentSettlement } from './pay.ts'
import type { PaymentProvider } from './provider.ts'

/**
 * These tests pay and expire an invoice in the same millisecond over two connections. Transactions
 * are atomic, so each run is an order of transactions and provider calls; a seed draws one per
 * round. `HOLDFAST_SEED=… npx vitest run src/payments/pay-or-expire.test.ts` repeats a run.
 */
const holdSeconds = 86_400
const holdMs = holdSeconds * 1000
const metrics = createMetrics()

let fixture: PaymentFixture
let offer: Offer
let second: Database
let random: () => number

beforeEach(async () => {
  fixture = await openPaymentFixture()
  second = fixture.openAgain()
  random = createRandom(testSeed)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  expect(await fixture.disagreements()).toEqual([])
  await fixture.close()
})

/** Wraps the database of one process, so that each transaction waits for its turn. */
function inTurns(database: Database, step: Step): Database {
  return {
    transaction: (script) => step(() => database.transaction(script)),
    read: (script) => step(() => database.read(script)),
    close: () => database.close(),
  }
}

const clockAt = (now: number): Clock => ({ ...fixture.clock, now: () => now })
const around = (time: number): number => time + pick(random, [-1, 0, 1])

/** Makes a provider that answers, or stays silent before or after it has acted. */
function unreliable(step: Step): PaymentProvider {
  const { provider } = fixture
  const maybe = <T>(call: () => Promise<T>) =>
    step(() => {
      const fate = random()
      if (fate < 0.1) return loseCall()
      return fate < 0.2 ? loseAnswer(call()) : call()
    })
  return {
    authorize: (order) => maybe(() => provider.authorize(order)),
    capture: (paymentId) => maybe(() => provider.capture(paymentId)),
    void: (paymentId) => maybe(() => provider.void(paymentId)),
    find: (paymentId) => maybe(() => provider.find(paymentId)),
  }
}

function sweeper(database: Database, now: number) {
  const announceStockReleased = (): void => undefined
  return createExpireHolds({ database, announceStockReleased, clock: clockAt(now), metrics })
}

/** Makes a resolver whose clock is far enough ahead to take up attempts that have just begun. */
function resolver(database: Database, provider: PaymentProvider, now: number) {
  const { newId } = fixture
  const parts = { database, provider, clock: clockAt(now), newId, logger: silentLogger }
  const resolve = createResolvePayments({ ...parts, settlement: createPaymentSettlement(parts) })
  return () => resolve(() => true)
}

interface Due {
  readonly userId: number
  readonly invoiceId: string
  readonly dueAt: number
}

/** The rounds are this far apart, so that the grace after a decline never reaches the next one. */
const betweenMs = 200_000

/** Makes invoices that are due `betweenMs` apart, in two transactions. */
async function makeInvoices(count: number): Promise<readonly Due[]> {
  const users = await fixture.users(count)
  const start = fixture.clock.now()
  await fixture.reserve(...users.map((user) => fixture.wish(user, offer)))
  const due = users.map((userId, index) => {
    const now = start + index * betweenMs
    return { userId, invoiceId: fixture.newId(), now, dueAt: now + holdMs }
  })
  await fixture.database.transaction(function* () {
    for (const each of due) yield* checkOut({ ...each, idempotencyKey: each.invoiceId })
  })
  return due
}

type Told = 'paid' | 'declined' | 'unknown' | 'expired' | 'payment_in_progress' | 'already_paid'

/** Begins a payment and settles it, as the pay handler does. */
async function pay(database: Database, provider: PaymentProvider, due: Due): Promise<Told> {
  const now = around(due.dueAt)
  const { userId, invoiceId } = due
  const method = pick(random, ['pm_ok', 'pm_ok', 'pm_ok', 'pm_declined'])
  const attempt = { paymentId: fixture.newId(), idempotencyKey: fixture.newId(), method }
  const order = { ...attempt, userId, invoiceId, now }
  const begun = await database.transaction(() => beginPayment(order))
  switch (begun.kind) {
    case 'begun':
      break
    case 'expired':
    case 'payment_in_progress':
    case 'already_paid':
      return begun.kind
    case 'repeated':
    case 'key_reused':
    case 'not_found':
    case 'cancelled':
    case 'needs_attention':
    case 'nothing_to_pay':
      throw new Error(`not a way to answer here: ${begun.kind}`)
  }
  const { newId } = fixture
  const parts = { database, provider, clock: clockAt(now), newId, logger: silentLogger }
  try {
    const { invoice } = await createPaymentSettlement(parts).settle(orderOf(begun.payment))
    return invoice.status === 'paid' ? 'paid' : 'declined'
  } catch {
    return 'unknown'
  }
}

interface Outcome {
  readonly told: readonly Told[]
  readonly status: string
  readonly captured: number
}

/** Runs two payers, a sweeper and a resolver at once, and then lets everything late end. */
async function race(due: Due): Promise<Outcome> {
  const told: Told[] = []
  const payer = (database: Database) => async (step: Step) => {
    told.push(await pay(inTurns(database, step), unreliable(step), due))
  }
  await takeTurns(random, [
    payer(fixture.database),
    payer(second),
    (step) => sweeper(inTurns(second, step), around(due.dueAt))(),
    (step) => resolver(inTurns(second, step), unreliable(step), due.dueAt + 16_000)(),
  ])
  await resolver(second, fixture.provider, due.dueAt + 40_000)()
  await sweeper(fixture.database, due.dueAt + betweenMs / 2)()
  const status = await fixture.status('invoices', due.invoiceId)
  const attempts = await fixture.rows<{ id: string; status: string }>(
    'select id, status from payments where invoice_id = ?',
    due.invoiceId,
  )
  const found = await Promise.all(attempts.map(({ id }) => fixture.provider.find(id)))
  const captured = found.filter((each) => each?.status === 'captured').length
  return { told, status, captured }
}

/**
 * Returns the contradiction between the answers and the final state; undefined when there is none.
 */
function contradiction({ told, status, captured }: Outcome): string | undefined {
  if (status !== 'paid' && status !== 'expired') return 'neither paid nor expired'
  if (captured !== (status === 'paid' ? 1 : 0)) return 'captures are not what was paid'
  if (told.includes('paid') && status !== 'paid') return 'told paid, and is not'
  if (told.includes('already_paid') && status !== 'paid') return 'told already paid, and is not'
  const refused = told.every((each) => each === 'expired' || each === 'declined')
  if (refused && status === 'paid') return 'everybody was refused, and it is paid'
  return undefined
}

describe(`paying in the millisecond of the due date (seed ${testSeed})`, () => {
  const rounds = 2_000
  const roundsPerChunk = 200

  it(`is paid or expired, never both, and captured only when paid: ${rounds} rounds`, async () => {
    offer = await fixture.sale({
      stock: rounds,
      holdSeconds,
      endsIn: 2 * rounds * betweenMs + 1e10,
    })
    const seen = new Map<string, number>()
    let paid = 0
    for (let round = 0; round < rounds; round += roundsPerChunk) {
      const chunk = await makeInvoices(roundsPerChunk)
      for (const [index, due] of chunk.entries()) {
        const outcome = await race(due)
        const where = `round ${round + index}: ${JSON.stringify(outcome)}`
        expect(contradiction(outcome), where).toBeUndefined()
        paid += outcome.status === 'paid' ? 1 : 0
        const held = chunk.length - index - 1
        expect(await fixture.stock(offer), where).toBe(`${rounds - held - paid}/${held}/${paid}`)
        for (const each of [...outcome.told, outcome.status]) {
          seen.set(each, (seen.get(each) ?? 0) + 1)
        }
      }
      fixture.clock.advance(2 * holdMs)
    }
    // Every possible end must have happened; otherwise it was no race.
    const ways = ['paid', 'declined', 'unknown', 'expired', 'payment_in_progress', 'already_paid']
    expect([...seen.keys()].sort()).toEqual(ways.sort())
  }, 600_000)
})

describe(`checking out in the millisecond in which the hold ends (seed ${testSeed})`, () => {
  const rounds = 500

  it(`gives an invoice or an empty cart, and each unit ends once: ${rounds} rounds`, async () => {
    offer = await fixture.sale({
      stock: rounds,
      holdSeconds,
      endsIn: 2 * rounds * betweenMs + 1e10,
    })
    const start = fixture.clock.now()
    const users = await fixture.users(rounds)
    const seen = { created: 0, cart_empty: 0 }
    const ends = users.map((_, index) => start + index * 1_000 + holdMs)
    await fixture.database.transaction(function* () {
      for (const [index, user] of users.entries()) {
        const context = { now: ends[index]! - holdMs, newId: fixture.newId }
        yield* reserveBatch([fixture.wish(user, offer)], context)
      }
    })
    for (const [index, userId] of users.entries()) {
      const kind = await raceForCart(userId, ends[index]!)
      seen[kind] += 1
      const held = rounds - index - 1 + seen.created
      const where = `round ${index}: ${kind}`
      expect(await fixture.stock(offer), where).toBe(`${rounds - held}/${held}/0`)
    }
    expect(Math.min(seen.created, seen.cart_empty)).toBeGreaterThan(0)
    await sweeper(second, ends[rounds - 1]! + 2 * holdMs)()
    expect(await fixture.stock(offer)).toBe(`${rounds}/0/0`)
  }, 600_000)

  async function raceForCart(userId: number, endsAt: number): Promise<'created' | 'cart_empty'> {
    const kinds: string[] = []
    const order = { userId, idempotencyKey: 'k', invoiceId: fixture.newId(), now: around(endsAt) }
    const shopper = (database: Database) => async (step: Step) => {
      const result = await inTurns(database, step).transaction(() => checkOut(order))
      kinds.push(result.kind)
    }
    await takeTurns(random, [
      shopper(fixture.database),
      shopper(second),
      (step) => sweeper(inTurns(second, step), around(endsAt))(),
    ])
    await sweeper(second, endsAt + 1)()
    // Both clicks get the same answer.
    expect([
      ['created', 'replayed'],
      ['cart_empty', 'cart_empty'],
    ]).toContainEqual(kinds)
    return kinds[0] === 'created' ? 'created' : 'cart_empty'
  }
})
