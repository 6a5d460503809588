import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DatabaseUnavailableError, type Database } from '../../db/database.ts'
import type { AddToCartOutcome } from '../../domain/reservation.ts'
import { createLogger } from '../../logger.ts'
import { until } from '../../../test/support/until.ts'
import { lockDatabase } from '../../../test/support/lock-database.ts'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import { createLateReplies, type LateReplies } from './late-replies.ts'

const maxAgeMs = 30_000
const graceMs = 10_000
const unwrittenMax = 40
const soldOut: AddToCartOutcome = { kind: 'refused', refusal: 'sold_out' }

describe('a late reply', () => {
  let fixture: SaleFixture
  let late: LateReplies
  let userId: number
  let offer: Offer

  /** Makes the late replies of another node on the same database. */
  function node(database: Database = fixture.database): LateReplies {
    const { clock } = fixture
    const logger = createLogger('silent', {})
    return createLateReplies({
      database,
      clock,
      logger,
      defer: setImmediate,
      maxAgeMs,
      unwrittenMax,
    })
  }

  async function unanswered(key?: string): Promise<string> {
    const requestId = fixture.newId()
    const idempotencyKey = key ?? requestId
    await late.unanswered({ requestId, userId, idempotencyKey, sentAt: fixture.clock.now() })
    return requestId
  }

  /**
   * Waits until all notes are written: writes are done in order, so a further one is written last.
   */
  const written = () => unanswered()

  beforeEach(async () => {
    fixture = await openSaleFixture()
    late = node()
    userId = await fixture.user()
    offer = await fixture.sale()
  })
  afterEach(() => fixture.close())

  it('leaves the request pending, for every node to tell', async () => {
    const requestId = await unanswered()
    const pending = { kind: 'pending', sentAt: fixture.clock.now() }
    expect(await late.status(userId, requestId)).toEqual(pending)
    expect(await node(fixture.openAgain()).status(userId, requestId)).toEqual(pending)
  })

  it('is nobody else’s business', async () => {
    const requestId = await unanswered()
    const other = await fixture.user()
    expect(await late.status(other, requestId)).toBeUndefined()
    expect(await node().status(other, requestId)).toBeUndefined()
    expect(await late.status(userId, fixture.newId())).toBeUndefined()
  })

  it('is told when it was a refusal, by every node', async () => {
    const requestId = await unanswered()
    late.arrived(requestId, soldOut)
    await written()
    expect(await late.status(userId, requestId)).toEqual(soldOut)
    expect(await node().status(userId, requestId)).toEqual(soldOut)
  })

  it('is told when it was a hold, by every node', async () => {
    const requestId = await unanswered()
    const [outcome] = await fixture.reserve(fixture.wish(userId, offer, { requestId }))
    if (outcome?.kind !== 'held') throw new Error('not held')
    late.arrived(requestId, outcome)
    const held = { kind: 'held', reservation: outcome.reservation }
    expect(await late.status(userId, requestId)).toEqual(held)
    expect(await node().status(userId, requestId)).toEqual(held)
  })

  it('is told when it was the hold of an earlier request with the same key', async () => {
    const first = await unanswered('one-key')
    const second = await unanswered('one-key')
    const same = { idempotencyKey: 'one-key' }
    const [held, again] = await fixture.reserve(
      fixture.wish(userId, offer, { requestId: first, ...same }),
      fixture.wish(userId, offer, { requestId: second, ...same }),
    )
    if (held?.kind !== 'held' || again?.kind !== 'held') throw new Error('not held')
    late.arrived(first, held)
    late.arrived(second, again)
    fixture.clock.advance(maxAgeMs + graceMs + 1)
    const { reservation } = held
    expect(await late.status(userId, second)).toEqual({ kind: 'held', reservation })
    expect(await node().status(userId, second)).toEqual({ kind: 'held', reservation })
  })

  it('that is a refusal after a hold changes nothing', async () => {
    const requestId = await unanswered()
    await fixture.reserve(fixture.wish(userId, offer, { requestId }))
    late.arrived(requestId, { kind: 'refused', refusal: 'too_late' })
    await written()
    expect(await late.status(userId, requestId)).toMatchObject({ kind: 'held' })
    expect(await node().status(userId, requestId)).toMatchObject({ kind: 'held' })
  })

  it('keeps its first refusal', async () => {
    const requestId = await unanswered()
    late.arrived(requestId, soldOut)
    late.arrived(requestId, { kind: 'refused', refusal: 'too_late' })
    await written()
    expect(await node().status(userId, requestId)).toEqual(soldOut)
  })

  it('of a request this node never answered 202 is not written down', async () => {
    const stranger = fixture.newId()
    late.arrived(stranger, soldOut)
    await written()
    expect(await late.status(userId, stranger)).toBeUndefined()
  })

  it('that never came is refused as too late, but only when it can take stock no more', async () => {
    const requestId = await unanswered()
    fixture.clock.advance(maxAgeMs + graceMs)
    expect(await late.status(userId, requestId)).toMatchObject({ kind: 'pending' })
    fixture.clock.advance(1)
    const tooLate = { kind: 'refused', refusal: 'too_late' }
    expect(await late.status(userId, requestId)).toEqual(tooLate)
    expect(await node().status(userId, requestId)).toEqual(tooLate)
    const wish = fixture.wish(userId, offer, { requestId, idempotencyKey: requestId })
    expect(await fixture.reserve(wish)).toEqual([tooLate])
  })

  it('costs one transaction for all that were unanswered in one tick', async () => {
    let transactions = 0
    const { database } = fixture
    const counting: Database = {
      ...database,
      transaction: (script) => {
        transactions += 1
        return database.transaction(script)
      },
    }
    late = node(counting)
    const requestIds = await Promise.all(Array.from({ length: 300 }, () => unanswered()))
    expect(transactions).toBe(1)
    expect(await node().status(userId, requestIds[299] ?? '')).toMatchObject({ kind: 'pending' })
  })

  it('does not keep the 202 waiting while the database is locked, and is known here anyway', async () => {
    const lock = lockDatabase(fixture.path)
    const requestId = fixture.newId()
    const sentAt = fixture.clock.now()
    const answered = late.unanswered({ requestId, userId, idempotencyKey: requestId, sentAt })
    await new Promise(setImmediate)
    fixture.clock.advance(500)
    await answered
    expect(await late.status(userId, requestId)).toMatchObject({ kind: 'pending' })
    expect(await node().status(userId, requestId)).toBeUndefined()
    late.arrived(requestId, soldOut)
    expect(await late.status(userId, requestId)).toEqual(soldOut)
    lock.release()
    fixture.clock.advance(1_000)
    await written()
    expect(await node().status(userId, requestId)).toEqual(soldOut)
  })

  it('is written down before the node has stopped, although the database was locked', async () => {
    const lock = lockDatabase(fixture.path)
    const requestId = fixture.newId()
    const sentAt = fixture.clock.now()
    const answered = late.unanswered({ requestId, userId, idempotencyKey: requestId, sentAt })
    await new Promise(setImmediate)
    fixture.clock.advance(500)
    await answered
    const stopped = late.stop()
    expect(await node().status(userId, requestId)).toBeUndefined()
    lock.release()
    fixture.clock.advance(1_000)
    await stopped
    expect(await node().status(userId, requestId)).toMatchObject({ kind: 'pending' })
  })

  it('has no room for more while the database is away, and has it again afterwards', async () => {
    const { database } = fixture
    let isAway = true
    late = node({
      ...database,
      transaction: (script) =>
        isAway
          ? Promise.reject(new DatabaseUnavailableError('locked'))
          : database.transaction(script),
    })
    let accepted = 0
    while (late.hasRoom(10)) {
      accepted += 1
      void unanswered()
      expect(accepted).toBeLessThanOrEqual(unwrittenMax)
    }
    expect(accepted).toBe(unwrittenMax - 10)
    expect(late.hasRoom(9)).toBe(true)
    isAway = false
    const stopped = late.stop()
    await until(() => late.hasRoom(unwrittenMax - 1), 2_000)
    await stopped
  })

  it('keeps one note for a refusal that arrives many times', async () => {
    const requestId = await unanswered()
    for (let times = 0; times < 100; times += 1) late.arrived(requestId, soldOut)
    expect(late.hasRoom(unwrittenMax - 2)).toBe(true)
    await written()
    expect(await late.status(userId, requestId)).toEqual(soldOut)
  })
})
