/** What the demo prints: acts, the commands it runs, what it saw beside what was declared. */

/** Numbers the acts, stamps them with the time since the start, and remembers what was not right. */
export class Screen {
  readonly #startedAt: number;
  #wrong = 0;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  /** Observations that were not as declared. */
  get wrong(): number {
    return this.#wrong;
  }

  elapsedSeconds(): string {
    return ((Date.now() - this.#startedAt) / 1000).toFixed(1);
  }

  act(title: string): void {
    this.line("");
    this.line(`== ${title}  [${this.elapsedSeconds()} s]`);
  }

  line(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** Something that the demo runs just as a person would. */
  command(text: string): void {
    this.line(`   $ ${text}`);
  }

  /** Output of a command, indented under it. */
  output(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.line(`     ${line}`);
  }

  observe(what: string, right: boolean): void {
    if (!right) this.#wrong++;
    this.line(`   ${right ? "ok      " : "NOT OK  "}${what}`);
  }
}
