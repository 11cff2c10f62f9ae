// The package's `main` is CommonJS under "type": "module", which Node cannot load (wgsl_reflect 1.6.0); its ES module has no types
// of its own. Delete this file and import "wgsl_reflect" once the package has an exports map.
declare module "wgsl_reflect/wgsl_reflect.module.js" {
  export * from "wgsl_reflect";
}
