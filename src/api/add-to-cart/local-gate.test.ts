import { describe, expect, it } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { createLocalGate } from './local-gate.ts'

function open() {
  const clock = createFakeClock()
  return { clock, gate: createLocalGate(clock) }
}

describe('the gate of an API node', () => {
  it('refuses nothing until the consumer said no', () => {
    expect(open().gate.refuses(1, 1_000)).toBe(false)
  })

  it('refuses the quantity that was refused and more, of that product only', () => {
    const { gate } = open()
    gate.close(1, 3)
    const refused = [1, 2, 3, 4].map((quantity) => gate.refuses(1, quantity))
    expect(refused).toEqual([false, false, true, true])
    expect(gate.refuses(2, 3)).toBe(false)
  })

  it('lets one through soon enough to learn of a release nobody announced, and no crowd', () => {
    const { clock, gate } = open()
    gate.close(1, 1)
    clock.advance(249)
    expect(gate.refuses(1, 1)).toBe(true)
    clock.advance(1)
    expect([1, 1, 2].map((quantity) => gate.refuses(1, quantity))).toEqual([false, true, true])
    gate.close(1, 1)
    clock.advance(249)
    expect(gate.refuses(1, 1)).toBe(true)
    clock.advance(1)
    expect(gate.refuses(1, 1)).toBe(false)
  })

  it('opens for all when the one it let through got what it wanted', () => {
    const { clock, gate } = open()
    gate.close(1, 2)
    clock.advance(250)
    expect(gate.refuses(1, 2)).toBe(false)
    gate.notSoldOut(1, 1)
    expect(gate.refuses(1, 2)).toBe(true)
    gate.notSoldOut(1, 2)
    expect([gate.refuses(1, 2), gate.refuses(1, 2)]).toEqual([false, false])
  })

  it('is neither asked for nor kept closed by those who want more than was refused', () => {
    const { clock, gate } = open()
    gate.close(1, 1)
    for (let ms = 0; ms < 480; ms += 40) {
      clock.advance(40)
      expect(gate.refuses(1, 5)).toBe(true)
      gate.close(1, 5)
    }
    expect(gate.refuses(1, 1)).toBe(false)
    clock.advance(20)
    expect(gate.refuses(1, 5)).toBe(false)
  })

  it('forgets what it was not told again for half a second', () => {
    const { clock, gate } = open()
    gate.close(1, 1)
    clock.advance(499)
    expect([gate.refuses(1, 1), gate.refuses(1, 1)]).toEqual([false, true])
    clock.advance(1)
    expect([gate.refuses(1, 1), gate.refuses(1, 1)]).toEqual([false, false])
  })

  it('asks again as early when refusals were under way', () => {
    const { clock, gate } = open()
    gate.close(1, 1)
    for (let ms = 0; ms < 240; ms += 40) {
      clock.advance(40)
      gate.close(1, 1)
      gate.close(1, 5)
    }
    clock.advance(10)
    expect(gate.refuses(1, 1)).toBe(false)
  })

  it('closes again for less when even less was refused', () => {
    const { gate } = open()
    gate.close(1, 5)
    gate.close(1, 2)
    expect(gate.refuses(1, 2)).toBe(true)
    expect(gate.refuses(1, 1)).toBe(false)
  })

  it('opens at once when stock is released', () => {
    const { gate } = open()
    gate.close(1, 1)
    gate.open(1)
    gate.open(2)
    expect(gate.refuses(1, 1)).toBe(false)
  })

  it('remembers 10,000 products, and forgets the oldest beyond', () => {
    const { gate } = open()
    for (let productId = 1; productId <= 10_001; productId += 1) gate.close(productId, 1)
    expect(gate.refuses(1, 1)).toBe(false)
    expect(gate.refuses(2, 1)).toBe(true)
    expect(gate.refuses(10_001, 1)).toBe(true)
  })

  it('does not care when the wall clock steps', () => {
    const { clock, gate } = open()
    gate.close(1, 1)
    clock.step(3_600_000)
    expect(gate.refuses(1, 1)).toBe(true)
    clock.step(-7_200_000)
    clock.advance(250)
    expect(gate.refuses(1, 1)).toBe(false)
  })
})
