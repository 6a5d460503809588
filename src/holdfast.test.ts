import { describe, expect, it } from 'vitest'
import { createLogger } from './logger.ts'
import { embeddedFaultsFor } from './holdfast.ts'
import { startApp } from '../test/support/start-app.ts'

/** Starts the program and returns its log messages of level `warn` and above. */
async function warnings(environment: Readonly<Record<string, string>>): Promise<string[]> {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const app = await startApp({ environment, logger: createLogger('warn', {}, { destination }) })
  await app.stop()
  return lines
}

describe('a start', () => {
  const production = {
    NODE_ENV: 'production',
    LOCAL_ISSUER: 'on',
    ADMIN_TOKEN: 'a'.repeat(32),
    JWT_SECRET: 'j'.repeat(32),
  }
  const provider = {
    PAYMENT_PROVIDER_URL: 'http://127.0.0.1:9',
    PAYMENT_WEBHOOK_SECRET: 'w'.repeat(32),
  }
  const simulated = expect.stringContaining('payments are simulated') as string

  it('in production says that payments are simulated, unless they are not', async () => {
    expect(await warnings(production)).toEqual([simulated])
    expect(await warnings({ ...production, ...provider })).not.toContainEqual(simulated)
    expect(await warnings({})).toEqual([])
  })
})

describe('the embedded broker', () => {
  it('makes mistakes on purpose in development and tests, and none in production', () => {
    expect(embeddedFaultsFor('production')).toEqual({ reorderRate: 0, lostFinishRate: 0 })
    for (const nodeEnv of ['development', 'test'] as const) {
      const { reorderRate, lostFinishRate } = embeddedFaultsFor(nodeEnv)
      expect(Math.min(reorderRate, lostFinishRate)).toBeGreaterThan(0)
    }
  })
})
