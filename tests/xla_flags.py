"""XLA's flags for the tests, which compile more than they compute."""

# Without LLVM's optimisations and the emitters of tiles and of fused loops, and
# with one LLVM module per program, XLA:CPU compiles a training step in a fourth
# of the time. Reductions in one pass instead of two, and XLA's preset for quick
# compilation, take another fourth off that. Gradients are then exact to about
# 1e-3 of their norm; a test that needs more raises the level of its programs
# with `compiler_options`. The suite runs on every core already, so a program
# gains nothing from several threads.
QUICK = " ".join(
    (
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_multi_thread_eigen=false",
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_backend_extra_options=xla_cpu_disable_tiled_emitter",
        "--xla_cpu_parallel_codegen_split_count=1",
        "--xla_disable_hlo_passes=tree_reduction_rewriter",
        "--xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_COMPILE",
    )
)

# For a program that computes more than it compiles: quickly compiled
# convolutions take up to ten times as long.
USUAL_PRESET = {"xla_cpu_opt_preset": "CPU_OPT_PRESET_DEFAULT"}


def with_devices(count: int) -> str:
    """The quick flags for this number of virtual CPU devices."""
    return f"{QUICK} --xla_force_host_platform_device_count={count}"
