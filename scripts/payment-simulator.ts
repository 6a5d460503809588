import { randomBytes } from 'node:crypto'
import { systemClock } from '../src/clock.ts'
import { runCommand } from '../src/command-line.ts'
import { explainStart } from '../src/start-failure.ts'
import { loadConfig, readEnvironment } from '../src/config.ts'
import type { Service } from '../src/lifecycle.ts'
import { createSimulatedProvider } from '../src/payments/simulator/simulated-provider.ts'
import { createSimulatorServer } from '../src/payments/simulator/server.ts'
import { createSimulatorSwitches } from '../src/payments/simulator/switches.ts'
import { createSimulatorWebhooks } from '../src/payments/simulator/webhooks.ts'
import { readFlags, readWholeNumber } from './command-line.ts'

const usage = `Usage: npm run payment-simulator [-- flags]

The simulated payment provider as a process of its own, on 127.0.0.1. PAYMENT_PROVIDER_URL leads the
program to it. It signs its webhooks with PAYMENT_WEBHOOK_SECRET, or with what is derived from JWT_SECRET,
as the program does.

  --port <n>        where it listens                          (default 4242; 0 is any free port)
  --path <file>     its ledger                                (default: PAYMENT_SIMULATOR_PATH)
  --webhooks <url>  where it sends webhooks, such as http://127.0.0.1:3000/v1/webhooks/payments
  --slow-ms <n>     how long pm_slow takes                    (default 3000)
  --silent-ms <n>   how long the methods that never answer keep a connection open (default 20000)
  --help            this text

Exit code: 0 stopped, 1 it could not start, 2 wrong usage.`

const millisecondsMax = 999_999_999

async function run(args: readonly string[]): Promise<undefined> {
  const values = readFlags(args, {
    port: { type: 'string', default: '4242' },
    path: { type: 'string' },
    webhooks: { type: 'string' },
    'slow-ms': { type: 'string', default: '3000' },
    'silent-ms': { type: 'string', default: '20000' },
  })
  const milliseconds = (name: 'slow-ms' | 'silent-ms'): number =>
    readWholeNumber(name, values[name], { min: 0, max: millisecondsMax }) ?? 0
  const port = readWholeNumber('port', values.port, { min: 0, max: 65_535 }) ?? 0
  const config = loadConfig(readEnvironment(), () => randomBytes(24).toString('base64url'))
  const clock = systemClock
  const path = values.path ?? config.paymentSimulatorPath
  const provider = createSimulatedProvider({
    path,
    clock,
    random: Math.random,
    slowMs: milliseconds('slow-ms'),
    silentMs: milliseconds('silent-ms'),
  })
  const switches = createSimulatorSwitches()
  const server = createSimulatorServer({ provider, switches, clock, port })
  // A provider that is told of a new secret first, and of an old one for a while, signs with the
  // new one.
  const [secret = ''] = config.paymentWebhookSecrets
  const webhooks =
    values.webhooks === undefined
      ? []
      : [createSimulatorWebhooks({ provider, switches, clock, url: values.webhooks, secret })]
  const services: readonly Service[] = [provider, ...webhooks, server]
  try {
    for (const service of services) await service.start()
  } catch (error) {
    const settings = { ...config, host: '127.0.0.1', port, paymentSimulatorPath: path }
    throw explainStart(error, settings)
  }
  process.on('SIGTERM', () => void stop(services))
  process.on('SIGINT', () => void stop(services))
  console.log(`Payment simulator listens on ${server.url()}`)
}

async function stop(services: readonly Service[]): Promise<void> {
  for (const service of services.toReversed().slice(0, -1)) await service.stop()
  // The process exits without the provider's stop, which would wait for callers it keeps waiting on
  // purpose.
  process.exit(0)
}

await runCommand({ usage, failureExitCode: 1, run })
