import { expect, test } from 'vitest'
import { judgeSoak } from './soak-judgement.ts'
import { vitalsIn, type Vitals } from './vitals.ts'

const calm: Vitals = {
  process: 'api',
  keptHeapMb: 40,
  usedHeapMb: 55,
  residentMb: 150,
  descriptors: 30,
  timers: 3,
  resources: 12,
  loopLagMs: 11,
}
const stormy: Vitals = { ...calm, usedHeapMb: 300, descriptors: 10_030, loopLagMs: 900 }

function grown(after: Partial<Vitals>): readonly string[] {
  const readings = { before: [calm], during: [[stormy]], after: [{ ...calm, ...after }] }
  return judgeSoak(readings).flatMap(({ what, within }) => (within ? [] : [what]))
}

test('what is high in the storm and low again afterwards has not grown', () => {
  expect(grown({})).toEqual([])
  const [heap] = judgeSoak({ before: [calm], during: [[stormy], [calm]], after: [calm] })
  expect(heap).toMatchObject({ before: 40, during: 300, after: 40, within: true })
})

test('each kind of remains is found', () => {
  expect(grown({ keptHeapMb: 57 })).toEqual(['heap after collection'])
  expect(grown({ residentMb: 300 })).toEqual(['resident memory'])
  expect(grown({ descriptors: 1_030 })).toEqual(['open descriptors'])
  expect(grown({ timers: 1_003, resources: 1_012 })).toEqual(['timers', 'active resources'])
  expect(grown({ loopLagMs: 300 })).toEqual(['event loop lag p99'])
})

test('garbage is no growth', () => {
  expect(grown({ usedHeapMb: 500 })).toEqual([])
})

test('a process that is gone afterwards has not stayed within its bounds', () => {
  expect(grown({ descriptors: Number.NaN })).toEqual(['open descriptors'])
})

test('what cannot be told of a process is not judged', () => {
  const nsqd = { ...vitalsIn(''), process: 'nsqd', keptHeapMb: undefined }
  const vitals: Vitals = { ...nsqd, residentMb: 20, descriptors: 15 }
  const remains = judgeSoak({ before: [vitals], during: [], after: [vitals] })
  expect(remains.map(({ what }) => what)).toEqual(['resident memory', 'open descriptors'])
})

test('vitals are read from Prometheus text', () => {
  const text = [
    '# HELP x y',
    'nodejs_heap_size_used_bytes 1048576',
    'nodejs_eventloop_lag_p99_seconds 0.012',
    'nodejs_active_resources{type="TCPSocketWrap"} 7',
    'nodejs_active_resources{type="Timeout"} 2',
    'nodejs_active_resources_total 9',
  ].join('\n')
  expect(vitalsIn(text)).toEqual({ usedHeapMb: 1, resources: 9, timers: 2, loopLagMs: 12 })
})
