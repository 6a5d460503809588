import { expect, test } from 'vitest'
import { createRandom } from '../support/random.ts'
import { drawFault } from './faults.ts'

const draw = (seed: number, count: number): readonly string[] => {
  const random = createRandom(seed, 0)
  return Array.from({ length: count }, () => {
    const { victim, title, lastsMs } = drawFault(random)
    return `${victim} ${title} ${lastsMs}`
  })
}

test('the same seed has the same faults in store, another one others', () => {
  expect(draw(1, 50)).toEqual(draw(1, 50))
  expect(draw(2, 50)).not.toEqual(draw(1, 50))
})

test('nobody is spared', () => {
  const victims = draw(1, 200).map((fault) => /^(api \d|\w+)/.exec(fault)?.[1])
  const all = ['api 1', 'api 2', 'database', 'nsqd', 'provider', 'worker']
  expect([...new Set(victims)].sort()).toEqual(all)
})
