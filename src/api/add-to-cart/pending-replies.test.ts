import { describe, expect, it } from 'vitest'
import type { AddToCartOutcome } from '../../domain/reservation.ts'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { createPendingReplies } from './pending-replies.ts'

const soldOut: AddToCartOutcome = { kind: 'refused', refusal: 'sold_out' }
const limit: AddToCartOutcome = { kind: 'refused', refusal: 'purchase_limit_reached' }

async function start(pendingRepliesMax = 10) {
  const clock = createFakeClock()
  const replies = createPendingReplies({ clock, pendingRepliesMax, replyTimeoutMs: 5_000 })
  await replies.start()
  return { clock, replies }
}

describe('pending replies', () => {
  it('resolve only the request the outcome belongs to', async () => {
    const { replies } = await start()
    const first = replies.expect('first')
    const second = replies.expect('second')
    expect(replies.settle('second', limit)).toBe(true)
    expect(replies.settle('first', soldOut)).toBe(true)
    expect([await first, await second]).toEqual([soldOut, limit])
    expect(replies.size()).toBe(0)
  })

  it('take an outcome once: a second delivery finds nobody', async () => {
    const { replies } = await start()
    const pending = replies.expect('once')
    expect(replies.settle('once', soldOut)).toBe(true)
    expect(replies.settle('once', limit)).toBe(false)
    expect(await pending).toEqual(soldOut)
  })

  it('find nobody for a request that was never here', async () => {
    const { replies } = await start()
    expect(replies.settle('stranger', soldOut)).toBe(false)
  })

  it('are bounded: when full nobody else may wait, when one leaves the next may', async () => {
    const { replies } = await start(2)
    void replies.expect('a')
    void replies.expect('b')
    expect(replies.expect('c')).toBeUndefined()
    expect(replies.size()).toBe(2)
    replies.settle('a', soldOut)
    expect(replies.expect('c')).toBeDefined()
  })

  it('count those who share a reply, until it is there, whatever it is', async () => {
    const { replies } = await start(2)
    let tell: (told: string) => void = () => undefined
    const reply = new Promise<string>((resolve) => {
      tell = resolve
    })
    const shared = replies.share(reply)
    const failed = replies.share(Promise.reject(new Error('no queue')))
    expect([replies.size(), replies.expect('a'), replies.share(reply)]).toEqual([
      2,
      undefined,
      undefined,
    ])
    await expect(failed).rejects.toThrow('no queue')
    expect(replies.size()).toBe(1)
    tell('told')
    expect(await shared).toBe('told')
    expect(replies.size()).toBe(0)
  })

  it('of one moment are told "no answer" a hundred at a time', async () => {
    const { clock, replies } = await start(250)
    const all = Array.from({ length: 250 }, async (_, index) => replies.expect(`r${index}`))
    clock.advance(5_000)
    expect(replies.size()).toBe(150)
    clock.advance(1)
    expect(replies.size()).toBe(50)
    clock.advance(1)
    expect(new Set(await Promise.all(all))).toEqual(new Set(['no_answer']))
    await replies.stop()
    expect(clock.pending()).toBe(0)
  })

  it('answer "no answer" when the time is over, and not before', async () => {
    const { clock, replies } = await start()
    const early = replies.expect('early')
    clock.advance(2_500)
    const late = replies.expect('late')
    clock.advance(2_499)
    expect(replies.size()).toBe(2)
    clock.advance(51)
    expect(await early).toBe('no_answer')
    expect(replies.size()).toBe(1)
    expect(replies.settle('early', soldOut)).toBe(false)
    expect(replies.settle('late', soldOut)).toBe(true)
    expect(await late).toEqual(soldOut)
  })

  it('do not care when the wall clock steps', async () => {
    const { clock, replies } = await start()
    void replies.expect('steady')
    clock.step(3_600_000)
    clock.advance(100)
    expect(replies.size()).toBe(1)
    clock.step(-7_200_000)
    clock.advance(5_000)
    expect(replies.size()).toBe(0)
  })

  it('forget a request that could not be sent', async () => {
    const { replies } = await start()
    const waiting = expect(replies.expect('unsent')).rejects.toThrow('no queue')
    replies.fail('unsent', new Error('no queue'))
    await waiting
    expect(replies.size()).toBe(0)
    expect(replies.settle('unsent', soldOut)).toBe(false)
  })

  it('keep one timer for all, and none after the stop, which answers whoever waits', async () => {
    const { clock, replies } = await start(1_000)
    const waiting = Array.from({ length: 500 }, (_, index) => replies.expect(String(index)))
    expect(clock.pending()).toBe(1)
    await replies.stop()
    expect(new Set(await Promise.all(waiting.map((reply) => Promise.resolve(reply))))).toEqual(
      new Set(['no_answer']),
    )
    expect(clock.pending()).toBe(0)
  })
})
