import {
  createPlainCodec,
  createSignedCodec,
  type MessageCodec,
} from '../src/messaging/envelope.ts'

/**
 * Measures the cost of signing per message: it seals and opens add-to-cart requests and results of
 * 100 outcomes, with the signed codec of BROKER=nsq and the plain one of the embedded broker. Run
 * it with `npx tsx bench/envelope.ts`.
 */
const rounds = 7
const messagesPerRound = 20_000

const request = {
  requestId: '0197a1b2-0000-7000-8000-000000000001',
  userId: 4_711,
  userUid: '0197a1b200007000800000000000002a',
  idempotencyKey: '0197a1b2-0000-7000-8000-000000000001',
  flashSaleId: 1,
  productId: 55,
  quantity: 1,
  nodeId: 'api-1',
  sentAt: 1_797_000_000_000,
}
const reservation = {
  id: request.requestId,
  productId: 55,
  quantity: 1,
  unitPriceMinor: 1_999,
  currency: 'EUR',
  status: 'held' as const,
  expiresAt: 1_797_000_300_000,
}
const outcome = { kind: 'held' as const, reservation, replayed: false }
const result = {
  outcomes: Array.from({ length: 100 }, () => ({ requestId: request.requestId, outcome })),
}

/** Returns the median of the rounds, µs per run. */
function microseconds(run: () => unknown, runs: number): number {
  const times = Array.from({ length: rounds }, () => {
    const startedAt = performance.now()
    for (let count = 0; count < runs; count += 1) run()
    return ((performance.now() - startedAt) * 1_000) / runs
  })
  return times.sort((one, other) => one - other)[rounds >> 1] ?? NaN
}

function measure(codec: MessageCodec) {
  const sealed = codec.seal('add_to_cart', 't', request)
  const results = codec.seal('add_to_cart_result', 't', result)
  const fewer = messagesPerRound / 100
  return {
    'seal a request, µs': microseconds(
      () => codec.seal('add_to_cart', 't', request),
      messagesPerRound,
    ),
    'open a request, µs': microseconds(
      () => codec.open('add_to_cart', 't', sealed),
      messagesPerRound,
    ),
    'seal a result of 100, µs': microseconds(
      () => codec.seal('add_to_cart_result', 't', result),
      fewer,
    ),
    'open a result of 100, µs': microseconds(
      () => codec.open('add_to_cart_result', 't', results),
      fewer,
    ),
  }
}

const signed = measure(createSignedCodec([{ id: 'k1', secret: 'secret-of-the-benchmark' }]))
const plain = measure(createPlainCodec())
console.table({ signed, plain })
