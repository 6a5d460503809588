import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/clock.ts'
import { loadConfig, readEnvironment } from '../src/config.ts'
import type { Service } from '../src/lifecycle.ts'
import { createSimulatedProvider } from '../src/payments/simulator/simulated-provider.ts'
import { createSimulatorServer } from '../src/payments/simulator/server.ts'
import { createSimulatorSwitches } from '../src/payments/simulator/switches.ts'
import { createSimulatorWebhooks } from '../src/payments/simulator/webhooks.ts'

/**
 * `npm run payment-simulator`: the simulated provider as a process of its own, on 127.0.0.1. It signs
 * its webhooks with `PAYMENT_WEBHOOK_SECRET`, or what is derived from `JWT_SECRET`, as the program does.
 */
const usage = `usage: npm run payment-simulator [-- --port 4242] [--path data/payment-simulator.db]
  [--webhooks http://127.0.0.1:3000/v1/webhooks/payments] [--slow-ms 3000] [--silent-ms 20000]`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '4242' },
      path: { type: 'string' },
      webhooks: { type: 'string' },
      'slow-ms': { type: 'string', default: '3000' },
      'silent-ms': { type: 'string', default: '20000' },
    },
  })
  const config = loadConfig(readEnvironment(), () => randomBytes(24).toString('base64url'))
  const clock = systemClock
  const provider = createSimulatedProvider({
    path: values.path ?? config.paymentSimulatorPath,
    clock,
    random: Math.random,
    slowMs: wholeNumber(values['slow-ms']),
    silentMs: wholeNumber(values['silent-ms']),
  })
  const switches = createSimulatorSwitches()
  const port = wholeNumber(values.port)
  const server = createSimulatorServer({ provider, switches, clock, port })
  // A provider that is told of a new secret first, and of an old one for a while, signs with the new one.
  const [secret = ''] = config.paymentWebhookSecrets
  const webhooks =
    values.webhooks === undefined
      ? []
      : [createSimulatorWebhooks({ provider, switches, clock, url: values.webhooks, secret })]
  const services: readonly Service[] = [provider, ...webhooks, server]
  for (const service of services) await service.start()
  process.on('SIGTERM', () => void stop(services))
  process.on('SIGINT', () => void stop(services))
  console.log(`Payment simulator listens on ${server.url()}`)
}

async function stop(services: readonly Service[]): Promise<void> {
  for (const service of services.toReversed().slice(0, -1)) await service.stop()
  // Not the provider's own stop, which would wait for callers it keeps waiting on purpose.
  process.exit(0)
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`not a whole number: ${text}`)
  return Number(text)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error(usage)
  process.exit(1)
}
