import { describe, expect, it } from 'vitest'
import { createResolvePayments } from '../cron/resolve-payments.ts'
import { expireCartHolds, expireInvoices } from '../db/expiry.ts'
import { cancelInvoice } from '../db/invoices.ts'
import { beginPayment } from '../db/payments/begin-payment.ts'
import type { Invoice } from '../domain/invoice.ts'
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

/**
 * A seed draws cards, push payments, lost answers, webhooks, sweeps and cancellations in any order.
 * In the end both ledgers must agree, and all money that moved has paid an invoice or waits for a
 * person.
 */
const rounds = 25
/**
 * The rounds continue until both important ends have happened; each takes about ten rounds on
 * average.
 */
const roundsMax = 250
const stepsPerRound = 100

interface World {
  readonly fixture: PaymentFixture
  readonly offer: Offer
  readonly random: () => number
  readonly users: readonly number[]
  readonly invoices: Invoice[]
  readonly pushed: string[]
  readonly paymentIds: string[]
}

type Act = (world: World) => Promise<unknown>

const methods = ['pm_push', 'pm_push', 'pm_ok', 'pm_declined', 'pm_answer_lost'] as const

const acts: readonly [Act, ...Act[]] = [
  buy,
  buy,
  pay,
  pay,
  arrive,
  async function hear({ fixture, random, paymentIds }) {
    const paymentId = some(random, paymentIds)
    if (paymentId === undefined) return
    const twice = [fixture.settlement.learn(paymentId), fixture.settlement.learn(paymentId)]
    await Promise.allSettled(twice)
  },
  resolve,
  sweep,
  async function wait({ fixture, random }) {
    fixture.clock.advance(pick(random, [1_000, 20_000, 70_000]))
    await Promise.resolve()
  },
  async function cancel({ fixture, random, invoices }) {
    const invoice = some(random, invoices)
    if (invoice === undefined || random() < 0.7) return
    await fixture.run(cancelInvoice(invoice.userId, invoice.id, fixture.clock.now()))
  },
  async function trouble({ fixture, random }) {
    const { overrides, provider } = fixture
    overrides.void = (paymentId) =>
      random() < 0.5 ? loseCall() : loseAnswer(provider.void(paymentId))
    overrides.find = (paymentId) => (random() < 0.5 ? loseCall() : provider.find(paymentId))
    overrides.capture = (paymentId) =>
      random() < 0.5 ? loseAnswer(provider.capture(paymentId)) : provider.capture(paymentId)
    await Promise.resolve()
  },
  async function calm({ fixture }) {
    healProvider(fixture)
    await Promise.resolve()
  },
]

async function buy({ fixture, offer, random, users, invoices }: World): Promise<void> {
  const userId = some(random, users) ?? 0
  const [outcome] = await fixture.reserve(fixture.wish(userId, offer))
  if (outcome?.kind === 'held') invoices.push(await fixture.checkOut(userId))
}

async function pay({ fixture, random, invoices, pushed, paymentIds }: World): Promise<void> {
  const invoice = some(random, invoices)
  if (invoice === undefined) return
  const method = pick(random, methods)
  const attempt = { paymentId: fixture.newId(), idempotencyKey: fixture.newId(), method }
  const order = { ...attempt, userId: invoice.userId, invoiceId: invoice.id }
  const begun = await fixture.run(beginPayment({ ...order, now: fixture.clock.now() }))
  if (begun.kind !== 'begun') return
  paymentIds.push(begun.payment.id)
  await fixture.settlement.settle(orderOf(begun.payment)).catch(() => undefined)
  if (method === 'pm_push') pushed.push(begun.payment.id)
}

async function arrive({ fixture, random, pushed }: World): Promise<void> {
  const paymentId = some(random, pushed)
  if (paymentId !== undefined) await fixture.provider.arrive(paymentId)
}

async function resolve({ fixture }: World): Promise<void> {
  fixture.clock.advance(15_000)
  const { database, settlement, clock } = fixture
  await createResolvePayments({ database, settlement, clock, logger: silentLogger })(() => true)
}

async function sweep({ fixture }: World): Promise<void> {
  const now = fixture.clock.now()
  await fixture.run(expireCartHolds(now, 100))
  await fixture.run(expireInvoices(now, 100))
}

async function takeIfLeft({ fixture, offer }: World, user: number): Promise<void> {
  await fixture.reserve(fixture.wish(user, offer))
}

function healProvider({ overrides }: PaymentFixture): void {
  delete overrides.void
  delete overrides.find
  delete overrides.capture
}

function some<T>(random: () => number, choices: readonly T[]): T | undefined {
  return choices[Math.floor(random() * choices.length)]
}

/** Lets every open attempt end and every arrived payment be noticed. */
async function settleAll(world: World): Promise<void> {
  healProvider(world.fixture)
  for (const paymentId of world.paymentIds) await world.fixture.settlement.learn(paymentId)
  for (let round = 0; round < 4; round += 1) {
    world.fixture.clock.advance(400_000)
    await resolve(world)
    await sweep(world)
  }
}

/** Lists the payments whose money has moved at the provider, with their status here. */
async function moneyThatMoved({ fixture }: World): Promise<readonly string[]> {
  const { captured } = await fixture.provider.readLedger()
  return Promise.all(
    captured.map(async ({ paymentId, invoiceId }) => {
      const payment = await fixture.status('payments', paymentId)
      return `${payment} ${await fixture.status('invoices', invoiceId)}`
    }),
  )
}

const wanted = ['captured paid', 'stranded needs_attention']
const fair = [...wanted, 'stranded paid']

describe(`money by chance (seed ${testSeed})`, () => {
  it('pays or waits for a person, and both books agree, whatever came in whatever order', async () => {
    const ends = new Set<string>()
    const isOver = (round: number) =>
      round >= (wanted.every((end) => ends.has(end)) ? rounds : roundsMax)
    for (let round = 0; !isOver(round); round += 1) {
      const random = createRandom(testSeed + round)
      const fixture = await openPaymentFixture()
      const offer = await fixture.sale({ stock: 3, holdSeconds: 60, purchaseLimit: 2 })
      const users = await fixture.users(4)
      const world: World = {
        fixture,
        offer,
        random,
        users,
        invoices: [],
        pushed: [],
        paymentIds: [],
      }
      for (let step = 0; step < stepsPerRound; step += 1) await pick(random, acts)(world)
      expect([round, await fixture.violated()]).toEqual([round, []])
      await settleAll(world)
      // All attempts have ended, so money that comes now finds a unit, or none in every second
      // round.
      if (round % 2 === 0) for (const user of await fixture.users(3)) await takeIfLeft(world, user)
      for (const paymentId of world.pushed) await fixture.provider.arrive(paymentId)
      await settleAll(world)
      expect([round, await fixture.violated()]).toEqual([round, []])
      expect([round, await fixture.disagreements()]).toEqual([round, []])
      const moved = await moneyThatMoved(world)
      expect([round, moved.filter((end) => !fair.includes(end))]).toEqual([round, []])
      for (const end of moved) ends.add(end)
      await fixture.close()
    }
    expect(wanted.filter((end) => !ends.has(end))).toEqual([])
  }, 600_000)
})
