import fc from 'fast-check'
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

  it('keeps what it refused before an earlier reopening', () => {
    const sentAt = clock.now()
    gate.close(product, 1)
    clock.advance(10)
    gate.open(product)
    gate.close(product, 5)
    clock.advance(10)
    gate.open(product)
    expect(gate.refuses(product, 1, sentAt)).toBe(true)
    expect(gate.refuses(product, 1, sentAt + 10)).toBe(false)
    expect(gate.refuses(product, 5, sentAt + 10)).toBe(true)
  })

  it('refuses exactly what some reopening found refused, after any story', () => {
    const quantity = fc.integer({ min: 1, max: 6 })
    const step = fc.oneof(
      quantity.map((of) => ({ kind: 'close', of }) as const),
      fc.constant({ kind: 'open', of: 0 } as const),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), quantity, fc.nat(35), (steps, asked, age) => {
        const time = createFakeClock()
        const gate = createSoldOutGate(() => time.now())
        const reopened: { readonly at: number; readonly from: number }[] = []
        let from = Infinity
        for (const { kind, of } of steps) {
          time.advance(1)
          if (kind === 'close') {
            gate.close(product, of)
            from = Math.min(from, of)
          } else {
            gate.open(product)
            if (from < Infinity) reopened.push({ at: time.now(), from })
            from = Infinity
          }
        }
        const sentAt = time.now() - age
        const refused =
          asked >= from || reopened.some((each) => asked >= each.from && sentAt < each.at)
        expect(gate.refuses(product, asked, sentAt)).toBe(refused)
      }),
      { seed: 17, numRuns: 500 },
    )
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
