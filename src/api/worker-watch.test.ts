import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { beatHeart } from '../db/worker-heartbeats.ts'
import { createLogger } from '../logger.ts'
import { createMetrics, type Metrics } from '../metrics.ts'
import { openDatabaseFixture, type DatabaseFixture } from '../../test/support/database-fixture.ts'
import { createWorkerWatch, type WorkerWatch } from './worker-watch.ts'

describe('an API node without a worker', () => {
  let fixture: DatabaseFixture
  let metrics: Metrics
  let watch: WorkerWatch
  let lines: string[]

  beforeEach(async () => {
    fixture = await openDatabaseFixture()
    metrics = createMetrics()
    lines = []
    const destination = { write: (line: string) => void lines.push(line) }
    const logger = createLogger('info', {}, { destination })
    const { clock, database } = fixture
    watch = createWorkerWatch({ database, clock, metrics, logger })
    await watch.start()
  })
  afterEach(async () => {
    await watch.stop()
    expect(fixture.clock.pending()).toBe(0)
    await fixture.close()
  })

  const beat = () => fixture.run(beatHeart('worker-1', fixture.clock.now()))
  const workers = async () => (await metrics.workers.get()).values[0]?.value

  /** Five seconds later, when the node has looked again. */
  async function look(): Promise<void> {
    fixture.clock.advance(5_000)
    // Waits for the look under way.
    await watch.stop()
    await watch.start()
  }

  it('warns after 15 seconds, in one line, and takes it back when one comes', async () => {
    await look()
    await look()
    expect(watch.warning()).toBe('ok')
    await look()
    await look()
    expect(watch.warning()).toContain('no worker')
    expect(lines).toHaveLength(1)
    expect(await workers()).toBe(0)
    await beat()
    await look()
    await beat()
    await look()
    expect(watch.warning()).toBe('ok')
    expect(await workers()).toBe(1)
    expect(lines).toHaveLength(2)
  })

  it('is not misled by the row of a worker that ran yesterday, nor by its clock', async () => {
    await fixture.run(beatHeart('worker-1', fixture.clock.now() + 86_400_000))
    for (let looks = 0; looks < 4; looks += 1) await look()
    expect(watch.warning()).toContain('no worker')
    expect(await workers()).toBe(0)
  })

  it('stays silent while a worker beats', async () => {
    for (let looks = 0; looks < 6; looks += 1) {
      await beat()
      await look()
    }
    expect(watch.warning()).toBe('ok')
    expect(lines).toEqual([])
  })
})
