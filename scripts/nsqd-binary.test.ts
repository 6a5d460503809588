import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findNsqBinary } from './nsqd-binary.ts'

describe('finding nsqd', () => {
  let folder = ''
  let said: string[] = []

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-find-nsqd-'))
    said = []
  })

  afterEach(() => rm(folder, { recursive: true, force: true }))

  async function program(path: string, script = 'exit 0'): Promise<string> {
    const full = join(folder, path)
    await mkdir(dirname(full), { recursive: true })
    await writeFile(full, `#!/bin/sh\n${script}\n`)
    await chmod(full, 0o755)
    return full
  }

  function find(environment: Record<string, string>, name: 'nsqd' | 'nsqlookupd' = 'nsqd') {
    const say = (line: string): void => {
      said.push(line)
    }
    return findNsqBinary(name, {
      environment: {
        XDG_CACHE_HOME: join(folder, 'cache'),
        PATH: join(folder, 'bin'),
        ...environment,
      },
      say,
    })
  }

  it('prefers what the variable names over PATH over the cache', async () => {
    const named = await program('elsewhere/my-nsqd')
    const onPath = await program('bin/nsqd')
    const cached = await program('cache/holdfast/nsq-1.3.0/nsqd')
    expect(await find({ NSQD_BIN: named })).toBe(named)
    expect(await find({ NSQD_BIN: '' })).toBe(onPath)
    expect(await find({ PATH: '' })).toBe(cached)
    expect(said).toEqual([])
  })

  it('nsqlookupd has a variable of its own', async () => {
    const named = await program('elsewhere/lookup')
    expect(await find({ NSQLOOKUPD_BIN: named }, 'nsqlookupd')).toBe(named)
    expect(await find({ NSQLOOKUPD_BIN: named })).toBeUndefined()
  })

  it('does not go on silently when the variable names nothing that runs', async () => {
    await program('bin/nsqd')
    const missing = join(folder, 'missing')
    await expect(find({ NSQD_BIN: missing })).rejects.toThrow(`NSQD_BIN=${missing}`)
  })

  it('says what to do when there is neither nsqd nor Go', async () => {
    expect(await find({})).toBeUndefined()
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('NSQD_BIN')
  })

  it('builds with Go into the cache, where the next one finds it', async () => {
    const sources = join(folder, 'sources')
    await mkdir(sources)
    // This script replaces Go: `go mod download -json …` and `go build -buildvcs=false -o FILE
    // ./apps/nsqd`.
    await program(
      'bin/go',
      `echo "$PWD $*" >> ${folder}/calls
      if [ "$1" = mod ]; then echo '{"Dir": "${sources}"}'
      else printf '#!/bin/sh\\n' > "$4"; chmod +x "$4"; fi`,
    )
    const environment = { PATH: `${join(folder, 'bin')}:/usr/bin:/bin` }
    const [one, two] = await Promise.all([find(environment), find(environment)])
    expect(one).toBe(join(folder, 'cache/holdfast/nsq-1.3.0/nsqd'))
    expect(two).toBe(one)
    expect(await readdir(dirname(one ?? ''))).toEqual(['nsqd'])
    const calls = await readFile(join(folder, 'calls'), 'utf8')
    expect(calls).toContain('mod download -json github.com/nsqio/nsq@v1.3.0')
    expect(calls).toContain(`${sources} build -buildvcs=false -o `)
    said.length = 0
    expect(await find(environment)).toBe(one)
    expect(said).toEqual([])
  })

  it('says why the build failed, and leaves nothing half made', async () => {
    await program('bin/go', 'echo "dial tcp: lookup proxy.golang.org: no such host" >&2; exit 1')
    expect(await find({ PATH: `${join(folder, 'bin')}:/usr/bin:/bin` })).toBeUndefined()
    expect(said.join('\n')).toContain('no such host')
    expect(await readdir(join(folder, 'cache/holdfast/nsq-1.3.0'))).toEqual([])
  })
})
