import { beforeEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../test/support/fake-clock.ts'
import { createSoldOutGate, type SoldOutGate } from './sold-out-gate.ts'

describe('the sold-out gate', () => {
  const product = 7
  let clock: FakeClock
  let gate: SoldOutGate

  const refusesNow = (quantity: number, of = product): boolean =>
    gate.refuses(of, quantity, clock.now())

  beforeEach(() => {
    clock = createFakeClock()
    gate = createSoldOutGate(() => clock.now())
  })

  it('lets everybody through at first', () => {
    expect(refusesNow(1_000)).toBe(false)
    expect(gate.closed().size).toBe(0)
  })

  it('refuses what was refused and more of it, but not less', () => {
    gate.close(product, 3)
    expect([2, 3, 4].map((quantity) => refusesNow(quantity))).toEqual([false, true, true])
  })

  it('is closed for one product only', () => {
    gate.close(product, 1)
    expect(refusesNow(1, 8)).toBe(false)
  })

  it('remembers the smallest quantity, whatever comes later', () => {
    gate.close(product, 3)
    gate.close(product, 2)
    gate.close(product, 5)
    expect([...gate.closed()]).toEqual([[product, 2]])
  })

  it('opens for messages sent from then on', () => {
    gate.close(product, 1)
    clock.advance(10)
    gate.open(product)
    expect(refusesNow(1)).toBe(false)
    expect(gate.closed().size).toBe(0)
  })

  it('refuses a message stamped before the reopening: it may be a copy of a refused one', () => {
    const sentAt = clock.now()
    gate.close(product, 2)
    clock.advance(10)
    gate.open(product)
    clock.advance(60_000)
    expect(gate.refuses(product, 2, sentAt)).toBe(true)
    expect(gate.refuses(product, 2, sentAt + 9)).toBe(true)
    expect(gate.refuses(product, 2, sentAt + 10)).toBe(false)
  })

  it('does not hold a reopening against a quantity that was never refused', () => {
    const sentAt = clock.now()
    gate.close(product, 2)
    clock.advance(10)
    gate.open(product)
    expect(gate.refuses(product, 1, sentAt)).toBe(false)
  })

  it('opens once: news of stock that was never missed moves no stamp', () => {
    gate.close(product, 1)
    gate.open(product)
    const sentAt = clock.now()
    clock.advance(10)
    gate.open(product)
    expect(gate.refuses(product, 1, sentAt)).toBe(false)
  })

  it('does not freeze a product when the clock is set back after it reopened', () => {
    gate.close(product, 1)
    gate.open(product)
    clock.step(-3_600_000)
    expect(refusesNow(1)).toBe(false)
  })

  it('closes again after it reopened', () => {
    gate.close(product, 1)
    gate.open(product)
    gate.close(product, 1)
    expect(refusesNow(1)).toBe(true)
  })

  it('forgets a product, its closing and its reopening', () => {
    const sentAt = clock.now()
    gate.close(product, 1)
    clock.advance(10)
    gate.open(product)
    gate.close(product, 1)
    gate.forget(product)
    expect(gate.refuses(product, 1, sentAt)).toBe(false)
    expect(gate.closed().size).toBe(0)
  })
})
