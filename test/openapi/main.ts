import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { readFlags, readWholeNumber, runCommand } from '../../scripts/command-line.ts'
import { createSale, createShopper } from '../support/sale.ts'
import { testAdminToken } from '../support/start-app.ts'
import { startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'
import { NotInstalledError, prepareVirtualEnvironment } from './virtual-environment.ts'

/**
 * `npm run fuzz-openapi` starts the built program with fresh databases and lets schemathesis, a public fuzzer
 * of OpenAPI, send what the document allows and what it forbids. docs/openapi-fuzzing.md says what is checked.
 */
const usage = `usage: npm run fuzz-openapi [-- --seconds 120] [--seed 20261212] [--help]

Exit code 0 when document and program agree, 1 when they do not. What was found is printed and written to
out/openapi-fuzz. Without Python or a package registry it says SKIPPED and exits with 0; with
REQUIRE_SCHEMATHESIS=1 that is exit code 1.`

const webhookSecret = 'webhook-secret-of-the-fuzzer'
const reports = join(import.meta.dirname, '../../out/openapi-fuzz')
const here = (name: string): string => join(import.meta.dirname, name)

interface Options {
  readonly seconds: number
  readonly seed: number
}

function readOptions(args: readonly string[]): Options {
  const { seconds, seed } = readFlags(args, {
    seconds: { type: 'string' },
    seed: { type: 'string' },
  })
  return {
    seconds: readWholeNumber('seconds', seconds, { min: 1, max: 86_400 }) ?? 120,
    seed: readWholeNumber('seed', seed, { min: 0, max: 2 ** 31 }) ?? 20_261_212,
  }
}

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  try {
    const programs = await prepareVirtualEnvironment(here('requirements.txt'), process.env)
    return await fuzz(join(programs, 'schemathesis'), options)
  } catch (error) {
    if (!(error instanceof NotInstalledError)) throw error
    console.error(`SKIPPED: schemathesis cannot be installed here. ${error.message}`)
    return process.env['REQUIRE_SCHEMATHESIS'] === '1' ? 1 : 0
  }
}

async function fuzz(schemathesis: string, options: Options): Promise<number> {
  const folder = createTemporaryFolder()
  const shop = await startProcess({
    DATABASE_PATH: join(folder.path, 'holdfast.db'),
    PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
    PAYMENT_WEBHOOK_SECRET: webhookSecret,
  })
  try {
    await untilReady(shop)
    const code = await runSchemathesis(schemathesis, shop, options)
    await expectWhole(shop)
    return code === 0 ? 0 : 1
  } finally {
    await shop.stop()
    folder.remove()
  }
}

/** Its output goes straight to the terminal. */
async function runSchemathesis(
  schemathesis: string,
  shop: TestProcess,
  { seconds, seed }: Options,
): Promise<number | null> {
  const { flashSaleId, productId } = await createSale(shop.call, { stock: 1_000_000 })
  const { token } = await createShopper(shop.call)
  mkdirSync(reports, { recursive: true })
  const config = ['--config-file', here('schemathesis.toml')]
  const run = ['run', `${shop.url}/openapi.json`, '--max-time', String(seconds)]
  const how = ['--seed', String(seed), '--continue-on-failure', '--generation-database', 'none']
  const report = ['--report', 'json,junit', '--report-dir', reports, '--no-color']
  const child = spawn(schemathesis, [...config, ...run, ...how, ...report], {
    // It keeps files of its own where it runs.
    cwd: reports,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      PYTHONPATH: import.meta.dirname,
      PYTHONDONTWRITEBYTECODE: '1',
      SCHEMATHESIS_HOOKS: 'hooks',
      HOLDFAST_ADMIN_TOKEN: testAdminToken,
      HOLDFAST_SHOPPER_TOKEN: token,
      HOLDFAST_WEBHOOK_SECRET: webhookSecret,
      HOLDFAST_FLASH_SALE_ID: String(flashSaleId),
      HOLDFAST_PRODUCT_ID: String(productId),
    },
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}

/** @throws when the program is not ready or an invariant does not hold after all of it. */
async function expectWhole(shop: TestProcess): Promise<void> {
  await untilReady(shop)
  const { body, text } = await shop.call('GET', '/v1/admin/audit', { token: testAdminToken })
  const { holds } = body as unknown as { readonly holds: boolean }
  if (!holds) throw new Error(`an invariant does not hold: ${text}`)
}

await runCommand({ usage, run: main })
