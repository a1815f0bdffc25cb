using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Store;

namespace RunnerVm.Images;

/// <summary>The read-only files a machine is started from.</summary>
internal sealed record MachineFiles(string Kernel, string Initramfs, string RootImage);

/// <summary>Makes a job's kernel, initramfs and root image ready, building what is not in the cache side by side.</summary>
internal sealed class MachineFileStore(DataDirectory data, InstallLayout layout, TimeProvider time)
{
    /// <exception cref="UserException">Something could not be built; says what and what to do.</exception>
    public async Task<MachineFiles> PrepareAsync(Job job, JobLog log, CancellationToken cancellationToken)
    {
        var progress = new PreparationProgress(log);
        try
        {
            var image = new ImageStore(data, new ImageRecipes(layout.JobImages), time).BuildAsync(job.Image, refresh: false, progress, cancellationToken);
            var boot = PrepareBootAsync(job, progress, cancellationToken);
            await Task.WhenAll(image, boot);
            var (kernel, initramfs) = await boot;
            return new(kernel, initramfs, (await image).Path);
        }
        finally
        {
            await progress.DrainAsync();
        }
    }

    private async Task<(string Kernel, string Initramfs)> PrepareBootAsync(Job job, PreparationProgress progress, CancellationToken cancellationToken)
    {
        var kernel = job.Machine.KernelPath is { } path
            ? Kernel.FromFile(path)
            : await new KernelStore(data, time).GetAsync(refresh: false, progress, cancellationToken);
        return (kernel.Path, await new InitramfsStore(data, time).GetAsync(kernel, layout.GuestAgent, cancellationToken));
    }
}
