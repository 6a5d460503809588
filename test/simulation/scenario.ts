import { createAudit } from '../../src/audit/audit.ts'
import { wait } from '../../src/clock.ts'
import { openBank, type Bank } from './bank.ts'
import { startBrokerHost } from './broker-host.ts'
import { bodyOf, type Told } from './history.ts'
import { openCluster, type Cluster } from './cluster.ts'
import { judge } from './judge.ts'
import { injectFaults } from './faults.ts'
import { openShop, type Operator } from './operator.ts'
import { shop } from './personas.ts'
import { createShopper, type Shopper } from './shopper.ts'
import type { World } from './world.ts'

/** Totals of a run; they show that something happened in it. */
export interface Tally {
  readonly told: number
  readonly held: number
  readonly paid: number
  readonly stranded: number
}

interface Cast {
  readonly world: World
  readonly cluster: Cluster
  readonly bank: Bank
  readonly operator: Operator
  readonly shoppers: readonly Shopper[]
  /** Shoppers who have sent no request yet. */
  readonly newcomers: readonly Shopper[]
  readonly history: Told[]
}

export interface Paths {
  readonly databasePath: string
  readonly ledgerPath: string
}

/** Plays a sale from its opening through the storm to the verdict. */
export async function play(world: World, { databasePath, ledgerPath }: Paths): Promise<Tally> {
  const bank = await openBank(world, ledgerPath)
  try {
    const broker = await startBrokerHost(world)
    const cluster = openCluster(world, { databasePath, broker, provider: bank })
    await cluster.start()
    const operator = await openShop(world, cluster)
    const cast = { world, cluster, bank, operator, ...invite(world, cluster, operator) }
    await storm(cast, (mayContinue) =>
      injectFaults({ world, cluster, broker, bank, sale: operator.sale }, mayContinue),
    )
    await heal(cast)
    await lastQuestions(cast)
    await lastSale(cast)
    await settled(cast)
    return await verdict(cast)
  } finally {
    bank.close()
  }
}

function invite(world: World, cluster: Cluster, { sale }: Operator) {
  const history: Told[] = []
  const { flashSaleId } = sale
  const all = sale.shoppers.map(({ id, token }) =>
    createShopper({ world, cluster, history, flashSaleId, userId: id, token }),
  )
  const count = world.plan.shoppers
  return { history, shoppers: all.slice(0, count), newcomers: all.slice(count) }
}

async function storm(
  { world, cluster, bank, operator, shoppers }: Cast,
  faults: (mayContinue: () => boolean) => Promise<void>,
): Promise<void> {
  const { plan, clock, random } = world
  const endsAt = clock.monotonic() + plan.stormMs
  const mayContinue = (): boolean => clock.monotonic() < endsAt
  const { productIds } = operator.sale
  const invoiceIds = new Set<string>()
  world.setStorm('on')
  world.trace.note(`storm: ${JSON.stringify(plan)}`)
  await Promise.all([
    ...shoppers.map((shopper) => shop({ shopper, random, productIds, invoiceIds, mayContinue })),
    operator.work(mayContinue),
    bank.work(cluster, mayContinue),
    faults(mayContinue),
  ])
}

const openStates = `
  select 'hold' as what, id from reservations where status = 'held'
  union all select 'invoice', id from invoices where status in ('unpaid', 'paying')
  union all select 'payment', id from payments where status in ('authorizing', 'authorized', 'late')`

/** Stops all faults and lets time pass until every hold, invoice and payment has ended. */
async function heal(cast: Cast): Promise<void> {
  const { world, cluster, bank } = cast
  world.trace.note('no more faults')
  world.setStorm('off')
  cluster.resumeAll()
  bank.comeUp()
  await bank.arrive(0.3)
  await settled(cast)
  // Some push payments arrive after all invoices have ended.
  await bank.arrive(0.5)
  await settled(cast)
}

const settledWithinMs = 150_000

async function settled({ world, cluster, bank }: Cast): Promise<void> {
  const { clock, outside, observer } = world
  const deadline = clock.monotonic() + settledWithinMs
  let isWorking = true
  const working = bank.work(cluster, () => isWorking, 0)
  for (;;) {
    await wait(outside.clock, 1_000)
    const open = observer.rows(openStates)
    if (open.length === 0 && cluster.isComplete() && (await bank.isQuiet())) break
    if (clock.monotonic() < deadline) continue
    world.violate({ invariant: 'settles', what: `still open: ${JSON.stringify(open)}` })
  }
  isWorking = false
  await working
}

/**
 * Asks for every request that was answered 202 until its outcome is known, and reads all invoices
 * again.
 */
async function lastQuestions({ world, shoppers, history }: Cast): Promise<void> {
  await Promise.all(
    shoppers.map(async (shopper) => {
      const own = history.filter(({ userId }) => userId === shopper.userId)
      for (const requestId of pendingOf(own)) await untilKnown(world, shopper, requestId)
      for (const invoiceId of invoicesOf(own)) await shopper.invoice(invoiceId)
    }),
  )
}

function pendingOf(own: readonly Told[]): readonly string[] {
  const urls = own
    .filter(({ action, answer }) => action === 'add' && answer.status === 202)
    .map(({ answer }) => bodyOf(answer).statusUrl?.split('/').at(-1) ?? '')
  return [...new Set(urls)]
}

function invoicesOf(own: readonly Told[]): readonly string[] {
  const ids = own.map(({ action, answer }) =>
    action === 'checkout' ? bodyOf(answer).invoice?.id : undefined,
  )
  return [...new Set(ids.filter((id) => id !== undefined))]
}

const knownWithinMs = 60_000

async function untilKnown(world: World, shopper: Shopper, requestId: string): Promise<void> {
  const deadline = world.clock.monotonic() + knownWithinMs
  for (;;) {
    const { answer } = await shopper.ask(requestId)
    const { status } = bodyOf(answer)
    // The status is 404 when the node died before it could write down the 202.
    if (status === 'held' || status === 'refused' || answer.status === 404) return
    if (world.clock.monotonic() > deadline) {
      world.violate({ invariant: 'I5', what: `request ${requestId} is pending for ever` })
      return
    }
    await shopper.wait(1_000)
  }
}

const soldWithinMs = 1_500
const selectSale = `select state from flash_sales`
const selectAvailable = `select available from stock where product_id = ?`

/** Checks I20: a newcomer gets a unit of every product that has one. */
async function lastSale({ world, operator, newcomers }: Cast): Promise<void> {
  const { observer, clock } = world
  const [sale] = observer.rows<{ state: string }>(selectSale)
  if (sale?.state === 'cancelled') return
  await operator.resume()
  const [newcomer] = newcomers
  for (const productId of operator.sale.productIds) {
    const [stock] = observer.rows<{ available: number }>(selectAvailable, productId)
    if (stock?.available === 0) await operator.adjust(productId, 1)
    const askedAt = clock.monotonic()
    let told = await newcomer?.add(productId, 1)
    while (told?.answer.status === 409 && clock.monotonic() - askedAt < soldWithinMs) {
      await newcomer?.wait(100)
      told = await newcomer?.add(productId, 1)
    }
    if (told?.answer.status === 201) continue
    const what = `product ${productId} has units, and a newcomer is told ${told?.answer.status}`
    world.violate({ invariant: 'I20', what })
  }
}

/** The audit reports a captured payment without a paid invoice only after a minute of grace. */
const afterwardsMs = 61_000

async function verdict(cast: Cast): Promise<Tally> {
  const { world, cluster, bank, history, operator } = cast
  cluster.close()
  await wait(world.outside.clock, afterwardsMs)
  const { database } = world.observer
  const audit = createAudit({ database, provider: bank.provider, clock: world.clock })
  const report = await audit()
  for (const { id, title, violations, examples } of report.invariants) {
    if (violations === 0) continue
    world.violate({ invariant: id, what: `${title}: ${JSON.stringify(examples)}` })
  }
  for (const what of report.unchecked) world.violate({ invariant: 'audit', what })
  judge({ world, history, captured: bank.captured(), cancelledAt: operator.cancelledAt() })
  return tallyOf(cast)
}

const countPaid = `select count(*) as count from invoices where status = 'paid'`
const countAttention = `select count(*) as count from payments where status = 'stranded'`

function tallyOf({ world, history }: Cast): Tally {
  const count = (sql: string): number => world.observer.rows<{ count: number }>(sql)[0]?.count ?? 0
  const held = history.filter(({ action, answer }) => action === 'add' && answer.status === 201)
  return {
    told: history.length,
    held: held.length,
    paid: count(countPaid),
    stranded: count(countAttention),
  }
}
