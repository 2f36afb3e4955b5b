/**
 * Loaded before a test file: what Node has compiled is kept where `lateen` itself keeps it, so that not
 * each of hundreds of processes strips and compiles the same modules again.
 */
import { enableCompileCache } from "node:module";

enableCompileCache();
