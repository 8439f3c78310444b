// Imports a TypeScript file that holds only data. The repository's Node 20 cannot do that by itself.
import { build } from 'esbuild'

export async function loadTs(path) {
  const { outputFiles } = await build({ entryPoints: [path], bundle: true, write: false, format: 'esm', platform: 'node', target: 'node20', packages: 'external', logLevel: 'silent' })
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`)
}
