import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../until.ts'
import { startChild, untilAnswers, type ChildProcess } from './child-process.ts'
import { findFreePort, findFreePorts } from './free-port.ts'

const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) await child.kill()
})

function run(code: string, more: { readonly input?: 'open' } = {}): ChildProcess {
  const child = startChild({
    name: 'ours',
    command: [process.execPath, '-e', code],
    environment: { PATH: process.env['PATH'], COLOUR: 'red' },
    ...more,
  })
  children.push(child)
  return child
}

const staysAlive = `setInterval(() => undefined, 1000); console.log('up')`

describe('a child process', () => {
  it('has the environment it is given and nothing else', async () => {
    const child = run('console.log(JSON.stringify(Object.keys(process.env).sort()))')
    await child.ended
    expect(JSON.parse(child.output())).toEqual(['COLOUR', 'PATH'])
  })

  it('says what it prints on both streams, the last 64,000 characters of it', async () => {
    const child = run(`process.stderr.write('x'.repeat(70_000)); console.error('the end')`)
    await child.ended
    expect(child.output()).toHaveLength(64_000)
    expect(child.output()).toMatch(/x{100}the end\n$/)
  })

  it('is waited for until it prints something, or has ended without', async () => {
    const child = run(`console.log('listens on 17'); ${staysAlive}`)
    const [, port] = await child.printed(/listens on (\d+)/)
    expect([port, child.isRunning()]).toEqual(['17', true])
    const silent = run(`console.log('no such thing'); process.exit(3)`)
    await expect(silent.printed(/listens/)).rejects.toThrow('ours ended:\nno such thing')
    expect(await silent.ended).toEqual({ code: 3, signal: null })
  })

  it('is killed when it does not print in time', async () => {
    const child = run(staysAlive)
    await expect(child.printed(/never/, 1)).rejects.toThrow('did not print /never/ in 1 ms')
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' })
  })

  it('stops on SIGTERM, also when it is paused, and again without harm', async () => {
    const child = run(`process.on('SIGTERM', () => process.exit(0)); ${staysAlive}`)
    await child.printed(/up/)
    await child.pause()
    expect(await child.stop()).toEqual({ code: 0, signal: null })
    expect(await child.stop()).toEqual({ code: 0, signal: null })
    expect(await child.kill()).toEqual({ code: 0, signal: null })
    await expect(child.pause()).rejects.toThrow('it has ended')
  })

  it('is killed when it does not stop in time', async () => {
    const child = run(`process.on('SIGTERM', () => console.log('no')); ${staysAlive}`)
    await child.printed(/up/)
    expect(await child.stop(50)).toEqual({ code: null, signal: 'SIGKILL' })
  })

  it('comes to its end by itself, or is stopped', async () => {
    expect(await run('process.exit(4)').endsWithin(60_000)).toEqual({ code: 4, signal: null })
    expect(await run(staysAlive).endsWithin(1)).toEqual({ code: null, signal: 'SIGTERM' })
  })

  it('reads what is written to it', async () => {
    const code = `process.stdin.on('data', (said) => { console.log('heard ' + said); process.exit(0) })`
    const child = run(code, { input: 'open' })
    child.stdin.write('this')
    expect((await child.printed(/heard (\w+)/))[1]).toBe('this')
  })

  it('that cannot be started has ended and says why', async () => {
    const options = { name: 'none', command: ['/no/such/program'], environment: {} } as const
    const child = startChild(options)
    expect(await child.exited).toEqual({ code: null, signal: null })
    expect(child.output()).toContain('ENOENT')
    await expect(child.printed(/anything/)).rejects.toThrow('ENOENT')
  })

  it('does not outlive the process that started it, even one that is killed', async () => {
    const module = JSON.stringify(join(import.meta.dirname, 'child-process.ts'))
    const parent = startChild({
      name: 'a parent',
      command: [
        process.execPath,
        '--import',
        'tsx',
        '--input-type=module',
        '-e',
        `import { startChild } from ${module}
         const command = [process.execPath, '-e', 'setInterval(() => 0, 1000)']
         console.log('child', startChild({ name: 'c', command, environment: {} }).pid)
         setInterval(() => undefined, 1000)`,
      ],
      environment: process.env,
    })
    children.push(parent)
    const [, pid = ''] = await parent.printed(/child (\d+)/)
    const state = (): string => spawnSync('ps', ['-o', 'stat=', '-p', pid]).stdout.toString().trim()
    expect(state()).not.toBe('')
    await parent.kill()
    // One that is dead and not reaped, as in containers without an init, is dead enough.
    await until(() => state() === '' || state().startsWith('Z'), 60_000, 'the child gone')
  })
})

describe('waiting for an answer', () => {
  const serve = (port: number, status: number): string =>
    `require('node:http').createServer((_, response) => response.writeHead(${status}).end()).listen(${port}, '127.0.0.1')`

  it('is over when the address answers 200', async () => {
    const port = await findFreePort()
    expect(await untilAnswers(run(serve(port, 200)), `http://127.0.0.1:${port}/`, 60_000)).toBe(
      true,
    )
  })

  it('fails when the child ends, and when it answers anything else for too long', async () => {
    const port = await findFreePort()
    const url = `http://127.0.0.1:${port}/`
    expect(await untilAnswers(run('process.exit(1)'), url, 60_000)).toBe(false)
    expect(await untilAnswers(run(serve(port, 503)), url, 500)).toBe(false)
  })
})

it('free ports are different ones, also when they are found at the same time', async () => {
  const found = await Promise.all([findFreePorts(20), findFreePorts(20)])
  expect(new Set(found.flat()).size).toBe(40)
})
