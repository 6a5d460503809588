import { beforeEach, describe, expect, it } from 'vitest'
import { createBatcher, type Batcher } from './batcher.ts'

describe('the batcher', () => {
  let deferred: (() => void)[]
  let batches: (readonly number[])[]
  let finish: (() => void)[]
  let batcher: Batcher<number>

  beforeEach(() => {
    deferred = []
    batches = []
    finish = []
    batcher = createBatcher({
      batchSizeMax: 3,
      defer: (task) => deferred.push(task),
      run(batch) {
        batches.push(batch)
        return new Promise((resolve) => finish.push(resolve))
      },
    })
  })

  function endOfTick(): void {
    for (const task of deferred.splice(0)) task()
  }

  async function finishBatch(): Promise<void> {
    finish.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }

  it('hands over together, in order, what arrives in one tick', () => {
    batcher.add(1)
    batcher.add(2)
    expect(batches).toEqual([])
    expect(batcher.size()).toBe(2)
    expect(deferred).toHaveLength(1)
    endOfTick()
    expect(batches).toEqual([[1, 2]])
    expect(batcher.size()).toBe(0)
  })

  it('runs one batch at a time and collects the next meanwhile', async () => {
    batcher.add(1)
    endOfTick()
    batcher.add(2)
    batcher.add(3)
    endOfTick()
    expect(batches).toEqual([[1]])
    await finishBatch()
    endOfTick()
    expect(batches).toEqual([[1], [2, 3]])
  })

  it('never makes a batch larger than its limit and loses none of the rest', async () => {
    for (const item of [1, 2, 3, 4, 5, 6, 7]) batcher.add(item)
    for (let round = 0; round < 3; round += 1) {
      endOfTick()
      await finishBatch()
    }
    expect(batches).toEqual([[1, 2, 3], [4, 5, 6], [7]])
  })

  it('is idle at once when there is nothing', async () => {
    await expect(batcher.idle()).resolves.toBeUndefined()
  })

  it('is idle only after the last batch, and tells all who wait', async () => {
    const told: string[] = []
    for (const item of [1, 2, 3, 4]) batcher.add(item)
    void batcher.idle().then(() => told.push('first'))
    void batcher.idle().then(() => told.push('second'))
    endOfTick()
    await finishBatch()
    expect(told).toEqual([])
    endOfTick()
    expect(batches).toHaveLength(2)
    await finishBatch()
    expect(told).toEqual(['first', 'second'])
  })
})
