import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import {
  forgetRequests,
  readRequestStatus,
  recordLateRefusals,
  recordUnanswered,
} from './add-to-cart-requests.ts'
import type { ReserveRequest } from '../../domain/reservation.ts'

let fixture: SaleFixture
let offer: Offer
let user: number
let wish: ReserveRequest

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale()
  user = await fixture.user()
  wish = fixture.wish(user, offer)
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const statusOf = ({ userId, requestId }: ReserveRequest) =>
  fixture.read(readRequestStatus(userId, requestId))
const unanswered = (request: ReserveRequest, sentAt = 5) =>
  fixture.run(recordUnanswered([{ ...request, sentAt }]))
const refuse = ({ requestId }: ReserveRequest, refusal: 'sold_out' | 'too_late' = 'sold_out') =>
  fixture.run(recordLateRefusals([{ requestId, refusal }]))

describe('a request that was answered with 202', () => {
  it('is pending, with the stamp of its message, until it is decided', async () => {
    await unanswered(wish, 5)
    expect(await statusOf(wish)).toEqual({ kind: 'pending', sentAt: 5 })
  })

  it('is held once it is held, and keeps saying so when the hold is over', async () => {
    await unanswered(wish)
    await fixture.reserve(wish)
    expect(await statusOf(wish)).toMatchObject({
      kind: 'held',
      reservation: { id: wish.requestId, status: 'held' },
    })
  })

  it('is held also when the message was decided before the 202 was recorded', async () => {
    await fixture.reserve(wish)
    await unanswered(wish)
    expect(await statusOf(wish)).toMatchObject({ kind: 'held' })
  })

  it('is refused once its refusal came', async () => {
    await unanswered(wish)
    await refuse(wish)
    expect(await statusOf(wish)).toEqual({ kind: 'refused', refusal: 'sold_out' })
  })

  it('keeps the first of two refusals', async () => {
    await unanswered(wish)
    await refuse(wish, 'sold_out')
    await refuse(wish, 'too_late')
    expect(await statusOf(wish)).toMatchObject({ refusal: 'sold_out' })
  })

  it('that is held is never refused afterwards', async () => {
    await unanswered(wish)
    await fixture.reserve(wish)
    await refuse(wish)
    expect(await statusOf(wish)).toMatchObject({ kind: 'held' })
  })

  it('that was refused takes no stock when its message comes late', async () => {
    await unanswered(wish)
    await refuse(wish)
    expect(await fixture.reserve(wish)).toEqual([{ kind: 'refused', refusal: 'sold_out' }])
    expect(await fixture.stock(offer)).toBe('10/0/0')
  })

  it('refused for good before it was recorded stays refused', async () => {
    await fixture.reserve({ ...wish, refuseUnlessRecorded: 'too_late' })
    await unanswered(wish)
    expect(await statusOf(wish)).toEqual({ kind: 'refused', refusal: 'too_late' })
  })

  it('that repeats an earlier key is answered with the hold of that key', async () => {
    await fixture.reserve(wish)
    const retry = fixture.wish(user, offer, { idempotencyKey: wish.idempotencyKey })
    await unanswered(retry)
    await refuse(retry)
    expect(await statusOf(retry)).toMatchObject({
      kind: 'held',
      reservation: { id: wish.requestId },
    })
  })

  it('is not answered with the hold of somebody else who used the same key', async () => {
    const same = { idempotencyKey: wish.idempotencyKey }
    await fixture.reserve(fixture.wish(await fixture.user(), offer, same))
    await unanswered(wish)
    expect(await statusOf(wish)).toMatchObject({ kind: 'pending' })
  })

  it('is nobody else’s to see', async () => {
    const stranger = { ...wish, userId: await fixture.user() }
    await unanswered(wish)
    expect(await statusOf(stranger)).toBeUndefined()
    await fixture.reserve(wish)
    expect(await statusOf(stranger)).toBeUndefined()
  })
})

describe('a request nobody recorded', () => {
  it('is unknown, and a late refusal of it is not kept', async () => {
    await refuse(wish)
    expect(await statusOf(wish)).toBeUndefined()
  })
})

describe('forgetting', () => {
  it('drops old requests in bounded batches, the oldest first', async () => {
    const wishes = [3, 1, 2, 9].map((sentAt) => ({ ...fixture.wish(user, offer), sentAt }))
    await fixture.run(recordUnanswered(wishes))
    const left = () => fixture.rows('select created_at as at from add_to_cart_requests order by 1')
    expect(await fixture.run(forgetRequests(3, 2))).toBe(2)
    expect(await left()).toEqual([{ at: 3 }, { at: 9 }])
    expect(await fixture.run(forgetRequests(3, 2))).toBe(1)
    expect(await fixture.run(forgetRequests(3, 2))).toBe(0)
    expect(await left()).toEqual([{ at: 9 }])
  })
})
