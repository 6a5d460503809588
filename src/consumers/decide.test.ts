import { setImmediate as endOfTick } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clearCart } from '../db/carts.ts'
import { DatabaseUnavailableError, type Database } from '../db/database.ts'
import { createLogger } from '../logger.ts'
import type { AddToCart } from '../messaging/messages.ts'
import { createMetrics } from '../metrics.ts'
import { lockDatabase } from '../../test/support/lock-database.ts'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { countStatements } from '../../test/support/statement-counter.ts'
import { createDecider, type Decider, type Delivery } from './decide.ts'
import { createSoldOutGate, type SoldOutGate } from './sold-out-gate.ts'

const maxAgeMs = 3_000
const patient = { onWait: () => undefined, goOn: () => true }
const soldOut = { kind: 'refused', refusal: 'sold_out' }
const tooLate = { kind: 'refused', refusal: 'too_late' }

let fixture: SaleFixture
let offer: Offer
let user: number
let gate: SoldOutGate
let decider: Decider

function deciderOn(database: Database): Decider {
  const { clock, newId } = fixture
  const logger = createLogger('silent', {})
  return createDecider({
    database,
    gate,
    clock,
    newId,
    logger,
    maxAgeMs,
    metrics: createMetrics(),
  })
}

function delivery(changes: Partial<AddToCart> = {}, attempts = 1): Delivery {
  const requestId = changes.requestId ?? fixture.newId()
  const sentAt = fixture.clock.now()
  const name = { userId: user, userUid: fixture.uidOf(changes.userId ?? user) }
  const shopper = { requestId, ...name, idempotencyKey: requestId, nodeId: 'api-1', sentAt }
  return { request: { ...shopper, ...offer, quantity: 1, ...changes }, attempts }
}

const ask = (...deliveries: readonly Delivery[]) => decider.ask(deliveries, patient)

/** Moves the clock until the promise resolves. */
async function settle<T>(answer: Promise<T>): Promise<T> {
  const seen = { settled: false }
  const watch = answer.finally(() => (seen.settled = true)).catch(() => undefined)
  for (let step = 0; step < 1_000; step += 1) {
    await endOfTick()
    if (seen.settled) break
    fixture.clock.advance(50)
  }
  await watch
  return answer
}

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 5 })
  user = await fixture.user()
  gate = createSoldOutGate(() => fixture.clock.now())
  decider = deciderOn(fixture.database)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

describe('the gate', () => {
  it('lets requests reach the database while it is open', () => {
    expect(decider.refuse(delivery())).toBeUndefined()
  })

  it('refuses a first delivery without touching the database', () => {
    gate.close(offer.productId, 1)
    const { database, texts } = countStatements(fixture.database)
    expect(deciderOn(database).refuse(delivery())).toEqual(soldOut)
    expect(texts).toEqual([])
  })

  it('decides neither a redelivered request nor one with a key: there may be a hold to repeat', () => {
    gate.close(offer.productId, 1)
    expect(decider.refuse(delivery({}, 2))).toBeUndefined()
    expect(decider.refuse(delivery({ idempotencyKey: 'mine' }))).toBeUndefined()
  })

  it('repeats the hold of a key though it is closed, and gives a new key nothing', async () => {
    const first = delivery({ idempotencyKey: 'mine' })
    const [told] = await ask(first)
    gate.close(offer.productId, 1)
    const again = delivery({ idempotencyKey: 'mine' })
    expect(await ask(again, delivery({ idempotencyKey: 'new' }))).toEqual([
      { ...told, replayed: true },
      soldOut,
    ])
    expect(await fixture.stock(offer)).toBe('4/1/0')
  })

  it('closes when the database says sold out, for that quantity', async () => {
    expect(await ask(delivery({ quantity: 6 }))).toEqual([soldOut])
    expect([...gate.closed()]).toEqual([[offer.productId, 6]])
    expect(decider.refuse(delivery({ quantity: 6 }))).toEqual(soldOut)
    expect(decider.refuse(delivery({ quantity: 5 }))).toBeUndefined()
  })

  it('is not closed by an answer it caused itself', async () => {
    gate.close(offer.productId, 6)
    expect(await ask(delivery({ quantity: 6, idempotencyKey: 'k' }))).toEqual([soldOut])
    gate.open(offer.productId)
    const stale = delivery({ quantity: 6, idempotencyKey: 'k2', sentAt: fixture.clock.now() - 1 })
    expect(await ask(stale)).toEqual([soldOut])
    expect(gate.closed().size).toBe(0)
  })
})

describe('redelivered and late requests', () => {
  it('a redelivered one takes no stock', async () => {
    expect(await ask(delivery({}, 2))).toEqual([tooLate])
    expect(await fixture.stock(offer)).toBe('5/0/0')
  })

  it('a redelivered one repeats the hold of its first delivery', async () => {
    const first = delivery()
    const [told] = await ask(first)
    expect(await ask({ ...first, attempts: 2 })).toEqual([{ ...told, replayed: true }])
    expect(await fixture.stock(offer)).toBe('4/1/0')
  })

  it('one of exactly the largest age is served, one a millisecond older is not', async () => {
    const sentAt = fixture.clock.now()
    const [edge, older] = [delivery({ sentAt }), delivery({ sentAt: sentAt - 1 })]
    fixture.clock.advance(maxAgeMs)
    expect(await ask(edge, older)).toMatchObject([{ kind: 'held' }, tooLate])
    expect(await fixture.stock(offer)).toBe('4/1/0')
  })

  it('one that became too old while its transaction waited for the lock takes no stock', async () => {
    const lock = lockDatabase(fixture.path)
    const asked = ask(delivery())
    await endOfTick()
    fixture.clock.advance(maxAgeMs + 1)
    lock.release()
    expect(await settle(asked)).toEqual([tooLate])
    expect(await fixture.stock(offer)).toBe('5/0/0')
  })
})

describe('while the database is unavailable', () => {
  /** Makes a database that fails `times` times and then works. */
  function failing(times: number): Database {
    let left = times
    const unavailable = new DatabaseUnavailableError('gone')
    return {
      ...fixture.database,
      transaction(script) {
        left -= 1
        return left >= 0 ? Promise.reject(unavailable) : fixture.database.transaction(script)
      },
    }
  }

  it('waits with the messages in hand, says so each time, then decides', async () => {
    let waits = 0
    const asked = deciderOn(failing(3)).ask([delivery()], {
      ...patient,
      onWait: () => (waits += 1),
    })
    expect(await settle(asked)).toMatchObject([{ kind: 'held' }])
    expect(waits).toBe(3)
    expect(await fixture.stock(offer)).toBe('4/1/0')
  })

  it('gives up when told not to go on, having decided nothing', async () => {
    let waits = 0
    const patience = { onWait: () => (waits += 1), goOn: () => waits < 2 }
    const asked = deciderOn(failing(100)).ask([delivery()], patience)
    await expect(settle(asked)).rejects.toThrow(DatabaseUnavailableError)
    expect(waits).toBe(2)
    expect(await fixture.stock(offer)).toBe('5/0/0')
  })

  it('a locked file counts: it waits on, and what is too old by then is told so', async () => {
    const lock = lockDatabase(fixture.path)
    const onWait = () => {
      lock.release()
    }
    expect(await settle(decider.ask([delivery()], { ...patient, onWait }))).toEqual([tooLate])
  })
})

describe('a request the database cannot digest', () => {
  it('takes none of its batch with it', async () => {
    const rivals = await fixture.users(2)
    const first = delivery()
    await ask(first)
    // This request has the id of an existing hold and another key, so its row breaks the primary
    // key.
    const poison = delivery({ requestId: first.request.requestId, idempotencyKey: 'other' })
    const good = rivals.map((userId) => delivery({ userId }))
    const [one, none, other] = await ask(...good.slice(0, 1), poison, ...good.slice(1))
    expect(one).toMatchObject({ kind: 'held', replayed: false })
    expect(none).toBeUndefined()
    expect(other).toMatchObject({ kind: 'held', replayed: false })
    expect(await fixture.stock(offer)).toBe('2/3/0')
  })
})

describe('a batch', () => {
  it('gives one outcome per request in order, and no more than there is', async () => {
    const users = await fixture.users(8)
    const answers = await ask(...users.map((userId) => delivery({ userId })))
    const kinds = answers.map((answer) => answer?.kind)
    expect(kinds).toEqual([...Array<string>(5).fill('held'), ...Array<string>(3).fill('refused')])
    expect(await fixture.stock(offer)).toBe('0/5/0')
  })

  it('serves again what came back, once the gate is open', async () => {
    await ask(delivery({ quantity: 5 }))
    expect(await ask(delivery())).toEqual([soldOut])
    await fixture.run(clearCart(user, fixture.clock.now()))
    gate.open(offer.productId)
    expect(await ask(delivery())).toMatchObject([{ kind: 'held' }])
  })
})
