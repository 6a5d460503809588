// What `npm start` runs: builds when the sources are newer than the build, then becomes the program.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const built = `${root}dist/main.js`

function newest(folder) {
  return Math.max(
    ...readdirSync(folder, { recursive: true }).map(
      (name) => statSync(`${folder}/${name}`).mtimeMs,
    ),
  )
}

if (!existsSync(built) || newest(`${root}src`) > statSync(`${root}dist/.tsbuildinfo`).mtimeMs) {
  console.log('Building …')
  const build = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  if (build.status !== 0) process.exit(build.status ?? 1)
}

await import('../dist/main.js')
