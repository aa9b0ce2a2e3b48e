/** A folder of a test's own: `using folder = new Folder()` removes it with all that is in it. */
export class Folder implements Disposable {
  readonly path: string;

  constructor(prefix: string = "aphlict-test-") {
    this.path = Deno.makeTempDirSync({ prefix });
  }

  /** Writes a file into it, and returns its path. */
  write(name: string, text: string): string {
    const path = `${this.path}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
