import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { until } from '../test/support/until.ts'
import { nsqdFlags, requireNsqd, startNsqd, type NsqProcess } from './nsqd-process.ts'

const binary = await requireNsqd()

describe.skipIf(binary === undefined)('nsqd process', () => {
  let nsqd: NsqProcess | undefined

  afterEach(() => nsqd?.dispose())

  async function get(path: string): Promise<unknown> {
    const response = await fetch(`http://${nsqd?.httpAddress ?? ''}${path}`)
    return response.json()
  }

  async function depth(): Promise<number> {
    const stats = (await get('/stats?format=json')) as { topics: { depth: number }[] }
    return stats.topics.reduce((sum, topic) => sum + topic.depth, 0)
  }

  const publish = (): Promise<Response> =>
    fetch(`http://${nsqd?.httpAddress ?? ''}/pub?topic=t`, { method: 'POST', body: 'x' })

  it('keeps what is queued over stop, loses it over kill, and comes back on its ports', async () => {
    nsqd = await startNsqd({ binary: binary ?? '' })
    const { tcpAddress, pid } = nsqd
    await publish()
    await nsqd.stop()
    await nsqd.restart()
    expect(await depth()).toBe(1)
    expect(nsqd.tcpAddress).toBe(tcpAddress)
    expect(nsqd.pid).not.toBe(pid)
    await publish()
    await nsqd.kill()
    await nsqd.restart()
    expect(await depth()).toBeLessThan(2)
  })

  it('runs with our flags unless a test overrides one, on loopback only', async () => {
    nsqd = await startNsqd({ binary: binary ?? '', flags: { 'max-channel-consumers': '2' } })
    expect(nsqd.tcpAddress).toMatch(/^127\.0\.0\.1:/)
    const arguments_ = await commandLine(nsqd.pid)
    for (const [name, value] of Object.entries(nsqdFlags)) {
      const expected = name === 'max-channel-consumers' ? '2' : value
      expect(arguments_).toContain(`--${name}=${expected}`)
    }
  })

  it('says what nsqd complained about when it does not start', async () => {
    const started = startNsqd({ binary: binary ?? '', flags: { 'no-such-flag': '1' } })
    await expect(started).rejects.toThrow('no-such-flag')
  })

  it('does not mistake another server on its port for itself', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    await expect(
      startNsqd({ binary: binary ?? '', tcpPort: port, httpPort: port }),
    ).rejects.toThrow('did not start')
    server.close()
  })

  it('does not outlive the process that started it, whatever that dies of', async () => {
    const module = JSON.stringify(join(import.meta.dirname, 'nsqd-process.ts'))
    const code = `import { startNsqd } from ${module}
      const nsqd = await startNsqd({ binary: ${JSON.stringify(binary)} })
      console.log(nsqd.pid)
      setInterval(() => undefined, 1000)`
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(createInterface(parent.stdout), 'line')) as [string]
    const pid = Number(line)
    expect(await isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    await until(async () => !(await isAlive(pid)), 5_000, 'nsqd gone')
  })
})

describe('requiring nsqd', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })

  function withoutNsqd(): void {
    vi.stubEnv('NSQD_BIN', '')
    vi.stubEnv('PATH', '')
    vi.stubEnv('XDG_CACHE_HOME', '/nowhere')
  }

  it('says one loud line when none can be had', async () => {
    withoutNsqd()
    vi.stubEnv('REQUIRE_NSQD', '')
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    expect(await requireNsqd()).toBeUndefined()
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn.mock.calls[0]?.[0]).toContain('SKIPPED')
  })

  it('fails instead with REQUIRE_NSQD=1', async () => {
    withoutNsqd()
    vi.stubEnv('REQUIRE_NSQD', '1')
    await expect(requireNsqd()).rejects.toThrow('REQUIRE_NSQD=1')
  })
})

async function commandLine(pid: number): Promise<string[]> {
  return (await askPs('args=', pid)).split(' ')
}

/** Tells whether a process runs. A zombie counts as dead; containers without an init keep them. */
async function isAlive(pid: number): Promise<boolean> {
  const state = await askPs('stat=', pid)
  return state !== '' && !state.startsWith('Z')
}

async function askPs(format: string, pid: number): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', format, '-p', String(pid)])
    return stdout.trim()
  } catch {
    return ''
  }
}
