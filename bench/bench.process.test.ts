import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { requireNsqd } from '../scripts/nsqd-process.ts'

const program = join(import.meta.dirname, 'main.ts')
/** A quiet machine takes a fifth of it; beside other suites a process start alone takes a second. */
const runTimeoutMs = 600_000
const testTimeoutMs = 620_000
const nsqdBinary = await requireNsqd()

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function bench(...flags: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...flags], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: runTimeoutMs,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

test(
  'every contender gives the answers its workload demands, and the database agrees',
  { timeout: testTimeoutMs },
  async () => {
    const { code, stdout, stderr } = await bench('--smoke')
    expect(stderr).toBe('')
    const shops = nsqdBinary === undefined ? ['easy', 'embedded'] : ['easy', 'embedded', 'nsq']
    for (const contender of ['bare', 'express', ...shops]) {
      expect(stdout).toMatch(new RegExp(`^1 +plenty/${contender} .*/s`, 'm'))
      expect(stdout).toMatch(new RegExp(`^1 +sold-out/${contender} .*/s`, 'm'))
    }
    for (const contender of shops) {
      expect(stdout).toMatch(new RegExp(`^1 +race/${contender} .*/s`, 'm'))
      expect(stdout).toMatch(new RegExp(`^\\| ${contender} +\\| 10 +\\| 50 +\\|`, 'm'))
    }
    for (const contender of shops.filter((name) => name !== 'easy')) {
      expect(stdout).toMatch(new RegExp(`^Soak, ${contender}$`, 'm'))
    }
    expect(stdout).toMatch(/^\| (all|api) +\| heap after collection, MB +\| .* held \|$/m)
    expect(stdout).toMatch(/holds per second, embedded ÷ easy: \*\*[\d.]+\*\*/)
    expect(stdout).toMatch(/^VERDICT: all checks of \d+ cells passed$/m)
    expect(code).toBe(0)
  },
)

test('an unknown flag is answered with the usage', async () => {
  const { code, stderr } = await bench('--fast')
  expect(stderr).toContain('--fast')
  expect(stderr).toContain('Usage: npm run bench')
  expect(code).toBe(2)
})
