import { expect, it } from 'vitest'
import { createStallMeter } from './stall-meter.ts'

it('sees a turn that computes for too long', async () => {
  const meter = createStallMeter()
  await meter.ticks(2)
  const { user } = process.cpuUsage()
  while (process.cpuUsage().user - user < 80_000);
  await meter.ticks(1)
  expect(meter.stop()).toBeGreaterThan(40)
})

it('takes no wait of the whole process for one, but counts no turn meanwhile', async () => {
  const meter = createStallMeter()
  await meter.ticks(2)
  const turns = meter.turns()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  expect(meter.turns()).toBe(turns)
  await meter.ticks(1)
  expect(meter.stop()).toBeLessThan(150)
})
